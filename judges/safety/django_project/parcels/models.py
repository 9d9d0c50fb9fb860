"""One table."""

from django.db import models


class Parcel(models.Model):
    state = models.CharField(max_length=20, default="new")
