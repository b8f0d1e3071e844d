"""The Google Sheets API as a client: addresses, requests, pacing. Destinations, sources and lookups share it."""
