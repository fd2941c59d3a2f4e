from enum import StrEnum


class DeviceType(StrEnum):
    CAMERA = "Camera"
    DATACOLLECTIONTERMINAL = "DataCollectionTerminal"
    DESKTOP = "Desktop"
    EMBEDDEDNETWORKMODULE = "EmbeddedNetworkModule"
    EREADER = "eReader"
    GAMESCONSOLE = "GamesConsole"
    GEOLOCATIONTRACKER = "GeolocationTracker"
    GLASSES = "Glasses"
    MEDIAPLAYER = "MediaPlayer"
    MOBILEPHONE = "MobilePhone"
    PAYMENTTERMINAL = "PaymentTerminal"
    PLUGINMODEM = "PluginModem"
    PROJECTOR = "Projector"
    SETTOPBOX = "SetTopBox"
    TABLET = "Tablet"
    TV = "TV"
    UNKNOWN = "Unknown"
    VEHICLEMULTIMEDIASYSTEM = "VehicleMultimediaSystem"
    WIRELESSHOTSPOT = "WirelessHotspot"
    WRISTWATCH = "Wristwatch"

    def __str__(self) -> str:
        return str(self.value)
