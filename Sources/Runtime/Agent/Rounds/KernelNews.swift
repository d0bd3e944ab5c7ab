import Addressing
import HostNetwork
import HostNetworkKernel
import Netlink
import Plan

/// What the kernel said of a change, in the words of the model. Whether it matters, ``NodeKeeper`` knows.
enum KernelNews: Hashable, Sendable {
    /// Messages were lost: nothing is known.
    case lost
    /// A link came, went or changed.
    case link(String)
    case address(IPAddress, link: String, isGone: Bool)
    /// A link has an address or a default route from a router's advertisement.
    case advertised(link: String)
    /// A route of our protocol, in one of our tables.
    case route(Route)
    case routeGone(Route.Key, isOurs: Bool)
    /// `nil` is an entry that does not stay, or is gone.
    case neighbour(IPAddress, link: String, MACAddress?)
    /// Where a tunnel's end sends frames for a MAC; `nil` is an entry that does not stay, or is gone.
    case frames(MACAddress, link: String, IPAddress?)
    /// A rule of our protocol is gone.
    case ruleGone(Rule)
    /// Forwarding was switched for all links of a family.
    case forwarding(IPFamily, Bool)
    /// A setting of a link.
    case setting(link: String)
}
