"""The commands of the group `temperance monitor`."""

__all__: list[str] = []
