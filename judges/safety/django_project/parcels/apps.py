"""The app asks its database when it is loaded, as some do."""

import os
from contextlib import suppress

from django.apps import AppConfig


class ParcelsConfig(AppConfig):
    name = "parcels"

    def ready(self):
        from parcels.models import Parcel

        if "REACH_AT_IMPORT" not in os.environ:
            return
        with suppress(Exception):
            self.number_of_parcels = Parcel.objects.count()
