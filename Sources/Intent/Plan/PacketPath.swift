public import Addressing

/// Every name and number that Tulle puts into a kernel, in one place: what is not here is not ours.
///
/// ```
///  pod a                     node                                             other node
///  eth0 ───────────── tl<hash> ─┬─ route pod/32 dev tl<hash>      route range via node dev uplink ───►
///  default via 169.254.1.1      │  proto 84                       proto 84, or via node dev tulle4 (vxlan)
///  (fe80::1), permanent         ├─ rule from pods: table 8484, other nodes by way of tulle4
///                               └─ table ip tulle-pods: masquerade for what leaves the cluster
/// ```
public enum PacketPath {
    /// `rtm_protocol` of our routes: the letter T. Routes with another number are somebody else's and stay untouched.
    public static let routeProtocol: UInt8 = 84

    /// The tables that our routes are in (`RT_TABLE_MAIN` and our own). A route of our protocol in another table is somebody else's.
    public static let routeTables: Set<UInt32> = [254, podRouteTable]

    /// The table that packets of this node's pods ask first: where tunnels are, the other nodes' own addresses.
    public static let podRouteTable: UInt32 = 8484

    /// Priority of the rule that sends them there: before the main table's 32766, behind what people write by hand.
    public static let podRule: UInt32 = 8484

    /// This node's end of the tunnels, by the family of the packets around: one link for all other nodes.
    public static func tunnelLink(_ underlay: IPFamily) -> String { underlay == .v4 ? "tulle4" : "tulle6" }

    /// Both of them.
    public static let tunnelLinks: Set<String> = Set(IPFamily.allCases.map(tunnelLink))

    /// The links that a node has one of: the tunnels' ends and the pods' bridge.
    public static let nodeLinks: Set<String> = tunnelLinks.union([podBridge])

    /// Whether a link is one that this file names.
    public static func isOurLink(_ name: String) -> Bool { isPodLink(name) || nodeLinks.contains(name) }

    /// `rtm_protocol` of routes that the kernel learnt from router advertisements (`RTPROT_RA`). Never ours, but looked at: a link
    /// that has one lives by them.
    public static let advertisedProtocol: UInt8 = 9

    /// `IFA_PROTO` of addresses that the kernel made of router advertisements (`IFAPROT_KERNEL_RA`).
    public static let advertisedAddress: UInt8 = 2

    /// The node's ends of the pods' links begin so, and hexadecimal digits follow.
    public static let podLinkPrefix = "tl"

    /// How many: thirteen characters in all, and fifteen is the kernel's limit.
    public static let podLinkDigits = 11

    /// `IFLA_GROUP` of pods' links that are being removed, many at once: every link in it goes. ASCII, “tule”.
    public static let leavingLinks: UInt32 = 0x7475_6C65

    /// Whether a link is the node's end of a pod's, by its name. Somebody's `tlan0` is not.
    public static func isPodLink(_ name: String) -> Bool {
        guard name.hasPrefix(podLinkPrefix) else { return false }
        let digits = name.utf8.dropFirst(podLinkPrefix.utf8.count)
        return digits.count == podLinkDigits && digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// What pods' links are ports of, with `--pod-mode bridge`. It begins as they do, so that rules about what comes from a pod are
    /// about what comes from the bridge too.
    public static let podBridge = "tlbridge"

    /// The bridge's MAC: the word Tulle. It never leaves the node, so that all nodes' may be the same.
    public static let podBridgeMAC = MACAddress(rawValue: 0x0254_756C_6C65)

    /// Which pod on the bridge has which MAC and address; in each of the families ip and ip6, only where there is one.
    public static let sourceTable = "tulle-sources"

    /// The route table of a pod's second and further interfaces, by a hash of the attachment: what is sent from its address leaves
    /// by it. The first byte is that of our routes' protocol, so that it is nobody's table by chance.
    static func interfaceTable(_ hash: UInt64) -> UInt32 { UInt32(routeProtocol) << 24 | UInt32(hash & 0xFF_FFFF) }

    /// Priority of the rule that leads there: before the main table's 32766.
    static let interfaceRule: UInt32 = 8400

    /// What the pod's end is called inside the pod unless the runtime says otherwise.
    public static let podInterface = "eth0"

    /// The gateway every pod sees. It is on no link: a permanent neighbour entry in the pod gives it the MAC of the pod's own link.
    public static func podGateway(_ family: IPFamily) -> IPAddress {
        switch family {
        case .v4: .v4(IPv4Address(169, 254, 1, 1))
        case .v6: .v6(IPv6Address(rawValue: 0xFE80 << 112 | 1))
        }
    }

    /// Addresses, translated, of pods that talk to the world outside, and in ip6 the check of pods' sources; one table in each of
    /// the families ip and ip6.
    public static let podTable = "tulle-pods"

    /// Ports of the node that lead to pods; in each of the families ip and ip6, only where a pod has one.
    public static let portTable = "tulle-ports"

    /// The major number of our qdiscs' handles (`8400:`). One with another number is somebody else's.
    public static let qdiscHandle: UInt16 = 0x8400

    /// Priority of the check of pods' sources: `NF_IP6_PRI_RAW`, before connections are tracked.
    public static let sourceCheck: Int32 = -300

    /// Services: what is asked for, and who answers; one table in each of the families ip and ip6.
    public static let serviceTable = "tulle-services"

    /// Policies: who is isolated, and what is open to them; one table in each of the families ip and ip6, only where a pod of this
    /// node is isolated. On the way from one map to the other a class's number stands in the packet's mark, which has its old value
    /// again before the verdict.
    public static let policyTable = "tulle-policies"

    /// Names that are asked for on this node; one table in each of the families ip and ip6, while the agent's name server answers.
    public static let nameTable = "tulle-names"

    /// Priority of its chains: `NF_IP_PRI_RAW`, before connections are tracked.
    public static let nameTracking: Int32 = -300

    /// How long queries are led to a server since it last answered.
    public static let nameLease: Duration = .seconds(5)

    /// `IFA_PROTO` of the addresses that we put on `lo`: the letter T, as with routes.
    public static let addressProtocol: UInt8 = routeProtocol

    /// Where the kernel sends what policies log (`NFLOG`): a group of nfnetlink_log.
    public static let policyLogGroup: UInt16 = 8484
    /// What marks a question for names that is refused, among them.
    public static let nameLogPrefix = "tulle names"

    /// How many new connections each rule logs in a second, and how many at once before that.
    public static let policyLogRate: UInt64 = 10
    public static let policyLogBurst: UInt32 = 20

    /// Priority of the chains that judge: `NF_IP_PRI_FILTER`, behind the translation of destinations, before that of sources.
    public static let policyFilter: Int32 = 0

    /// Priority of destination translation: `NF_IP_PRI_NAT_DST`.
    public static let destinationTranslation: Int32 = -100

    /// Priority of source translation: `NF_IP_PRI_NAT_SRC`.
    public static let sourceTranslation: Int32 = 100
}
