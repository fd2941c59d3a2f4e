// panva's oidc-provider: registration with an initial access token, its management, client credentials.
// Its argument is the folder of node_modules. It prints one line of JSON, the facts of the server, and serves until its
// standard input ends or five minutes are over. Beside the server's own paths there are those below /test/.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const LONGEST = 300_000;
const SCOPES = ["read", "write"];

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

// A policy, which is how oidc-provider has its users decide what a client is registered with, and updated to.
function freshSecret(context, properties) {
  if (context.method === "PUT" && properties.client_secret) properties.client_secret = randomBytes(32).toString("hex");
}

function configured(Provider, url) {
  return new Provider(url, {
    scopes: SCOPES,
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"],
    responseTypes: ["code"],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      registration: { enabled: true, initialAccessToken: true, policies: { "fresh-secret": freshSecret } },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => `${url}/test/api`,
        getResourceServerInfo: () => ({ scope: SCOPES.join(" "), accessTokenFormat: "opaque", accessTokenTTL: 3600 }),
      },
    },
  });
}

async function api(provider, context) {
  const [scheme, text] = context.get("authorization").split(" ");
  const bears = scheme.toLowerCase() === "bearer" && text;
  const token = bears && (await provider.ClientCredentials.find(text));
  const client = token && (await provider.Client.find(token.clientId));
  if (client) {
    context.body = { client_id: token.clientId, scope: token.scope };
  } else {
    context.status = 401;
    context.set("WWW-Authenticate", bears ? 'Bearer error="invalid_token"' : "Bearer");
  }
}

async function steer(provider, initial, order, told) {
  if (order === "revoke-token") await (await provider.ClientCredentials.find(told)).destroy();
  else if (order === "delete-client") await provider.Client.adapter.destroy(told);
  else if (order === "initial-token") return initial;
  return "";
}

const { Provider } = await import(pathToFileURL(createRequire(`${process.argv[2]}/`).resolve("oidc-provider")));
const server = createServer();
server.listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  const provider = configured(Provider, url);
  const initial = await new provider.InitialAccessToken({ policies: ["fresh-secret"] }).save();
  provider.use(async (context, next) => {
    if (context.path === "/test/api") await api(provider, context);
    else if (context.path.startsWith("/test/"))
      context.body = await steer(provider, initial, context.path.slice("/test/".length), await body(context.req));
    else await next();
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer: url }));
});
process.stdin.resume().on("end", () => process.exit());
setTimeout(() => process.exit(1), LONGEST);
