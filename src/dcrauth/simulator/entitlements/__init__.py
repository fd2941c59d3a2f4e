"""What REST API v2 is about: sessions, profiles, decisions and logouts of the simulated world."""
