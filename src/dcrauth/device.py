"""The streaming device, where programs have imported it from."""

from dcrauth.providers.adobe.device_info import DeviceInfo, DeviceInfoWarning

__all__ = ["DeviceInfo", "DeviceInfoWarning"]
