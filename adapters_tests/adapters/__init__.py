"""Every ``DCRAuth`` inside its HTTP library; each promise is written once and run over all clients."""
