"""A client of a CRM that stops when it is told to."""

import requests


def fetch_all(count):
    """As many contacts as the CRM gives before it has had enough, and the seconds to wait for the rest."""
    contacts = []
    for number in range(count):
        response = requests.get(f"https://crm.acme.io/contacts/{number}", timeout=10)
        if response.status_code == 429:
            return contacts, int(response.headers["Retry-After"])
        contacts.append(response.json())
    return contacts, 0
