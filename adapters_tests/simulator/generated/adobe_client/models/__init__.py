"""Contains all the data models used in inputs/outputs"""

from .attribute import Attribute
from .attribute_state import AttributeState
from .client import Client
from .configuration import Configuration
from .decision import Decision
from .decision_source import DecisionSource
from .decisions import Decisions
from .device import Device
from .device_browser import DeviceBrowser
from .device_connection import DeviceConnection
from .device_connection_ip_address import DeviceConnectionIpAddress
from .device_hardware import DeviceHardware
from .device_operating_system import DeviceOperatingSystem
from .device_type import DeviceType
from .domain import Domain
from .enhanced_error import EnhancedError
from .enhanced_error_action import EnhancedErrorAction
from .logout import Logout
from .logout_action_name import LogoutActionName
from .logout_action_type import LogoutActionType
from .logouts import Logouts
from .logouts_logouts import LogoutsLogouts
from .media_token import MediaToken
from .mvpd import Mvpd
from .o_auth_error import OAuthError
from .partner_answer import PartnerAnswer
from .partner_request import PartnerRequest
from .partner_session import PartnerSession
from .partner_session_action_name import PartnerSessionActionName
from .partner_session_action_type import PartnerSessionActionType
from .partner_session_parameters import PartnerSessionParameters
from .partner_session_reason_type import PartnerSessionReasonType
from .profile import Profile
from .profile_attributes import ProfileAttributes
from .profiles import Profiles
from .profiles_profiles import ProfilesProfiles
from .registration import Registration
from .requestor import Requestor
from .resource_list import ResourceList
from .session import Session
from .session_action_name import SessionActionName
from .session_action_type import SessionActionType
from .session_parameters import SessionParameters
from .session_reason_type import SessionReasonType
from .session_status import SessionStatus
from .session_status_existing_parameters import SessionStatusExistingParameters
from .token import Token
from .token_request import TokenRequest
from .version import Version

__all__ = (
    "Attribute",
    "AttributeState",
    "Client",
    "Configuration",
    "Decision",
    "DecisionSource",
    "Decisions",
    "Device",
    "DeviceBrowser",
    "DeviceConnection",
    "DeviceConnectionIpAddress",
    "DeviceHardware",
    "DeviceOperatingSystem",
    "DeviceType",
    "Domain",
    "EnhancedError",
    "EnhancedErrorAction",
    "Logout",
    "LogoutActionName",
    "LogoutActionType",
    "Logouts",
    "LogoutsLogouts",
    "MediaToken",
    "Mvpd",
    "OAuthError",
    "PartnerAnswer",
    "PartnerRequest",
    "PartnerSession",
    "PartnerSessionActionName",
    "PartnerSessionActionType",
    "PartnerSessionParameters",
    "PartnerSessionReasonType",
    "Profile",
    "ProfileAttributes",
    "Profiles",
    "ProfilesProfiles",
    "Registration",
    "Requestor",
    "ResourceList",
    "Session",
    "SessionActionName",
    "SessionActionType",
    "SessionParameters",
    "SessionReasonType",
    "SessionStatus",
    "SessionStatusExistingParameters",
    "Token",
    "TokenRequest",
    "Version",
)
