"""Where Django OAuth Toolkit is: below a prefix, with its metadata document there as well."""

from django.urls import include, path

urlpatterns = [path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
