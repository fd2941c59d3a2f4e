"""One token call: client credentials are traded for an access token (RFC 6749 §4.4)."""

from dataclasses import field

from dcrauth._internal.confidential import Confidential, confidential, replaced
from dcrauth.credentials import ClientCredentials
from dcrauth.providers.oauth.calls import form
from dcrauth.providers.oauth.client_authentication import ClientAuthentication, Occasion, proved
from dcrauth.providers.oauth.discovery import Endpoints
from dcrauth.providers.oauth.endpoint_search import EndpointSearch, called
from dcrauth.providers.oauth.registration_answer import as_granted, check_provable, explained
from dcrauth.providers.oauth.registration_request import method_for
from dcrauth.providers.oauth.token_request import Wanted, read_token
from dcrauth.providers.protocol import Flow, Moment, Problem, Request, Response, TokenGrant


@confidential
class TokenCall(Confidential):
    """What one attempt is made of.

    Parameters:
        by: how the client proves itself.
        wanted: what the token is to be good for.
        credentials: the client.
        moment: when it is, and what no other attempt has.
    """

    by: ClientAuthentication
    wanted: Wanted
    credentials: ClientCredentials = field(repr=False)
    moment: Moment = field(repr=False)

    def at(self, search: EndpointSearch) -> Flow[TokenGrant]:
        """Find the token endpoint, and call it."""
        return called(search, self.moment, self._asking, self._understood)

    def _asking(self, endpoints: Endpoints) -> Request | Problem:
        check_provable(self.by, self.credentials)
        occasion = Occasion(endpoints.issuer, endpoints.token, self.moment.servers, self.moment.random.hex())
        proof = proved(self.by, self._client(endpoints), occasion)
        if isinstance(proof, Problem):
            return proof
        # An assertion is good once (RFC 7523 §3): sent again it may be an ``invalid_client``.
        repeatable = "client_assertion" not in proof.form
        fields = [*as_granted(self.wanted, self.credentials).fields(), *proof.form.items()]
        return form(endpoints.token, fields, proof.headers, repeatable=repeatable)

    def _client(self, endpoints: Endpoints) -> ClientCredentials:
        """Return the client with the method that the server knows, where its registration does not say one."""
        client, method = self.credentials, method_for(self.by, endpoints)
        if method is None or client.metadata.get("token_endpoint_auth_method"):
            return client
        return replaced(client, metadata={**client.metadata, "token_endpoint_auth_method": method})

    def _understood(self, response: Response, endpoints: Endpoints) -> TokenGrant | Problem:
        found = read_token(response, as_granted(self.wanted, self.credentials).scopes, self.wanted.scopes)
        return explained(found, self.by, self.credentials, endpoints) if isinstance(found, Problem) else found
