public import Addressing
import CNI
public import Cluster
import Glibc
public import KubeAPI
public import Netlink
public import Plan

/// What an agent is told when it starts.
public struct AgentSettings: Hashable, Sendable {
    /// The name of this node's Node object.
    public var node: String
    public var duties: Set<Duty>
    public var network: NetworkSettings
    /// Where the objects come from, for people.
    public var origin: String
    /// What must outlive the agent and not the machine: a directory under `/run`.
    public var stateDirectory: String
    /// Where `tulle-cni` finds the agent.
    public var socket: String
    /// Where `tulle-cni` leaves deletions while the agent is away.
    public var queueDirectory: String
    /// How often everything is compared although nothing happened.
    public var period: Duration
    /// How long an address rests before another pod gets it.
    public var rest: Duration
    /// Where the plugin and its configuration are to be put; `nil`: somebody else does.
    public var installation: PluginInstallation?
    /// The plugin as it was built, which ``installation`` puts there; `nil`: it is there.
    public var plugin: String?
    /// Where flannel's file is to be written (`/run/flannel/subnet.env`); `nil`: nowhere.
    public var flannelFile: String?
    /// Where cluster IPs come from: what no service has of it leads nowhere.
    public var serviceRanges: [IPPrefix]
    /// At which of the node's addresses node ports answer; empty: all but loopback ones.
    public var nodePortAddresses: [IPPrefix]
    /// Where figures and health are shown; `nil`: nowhere.
    public var metricsAddress: SocketAddress?
    /// Whether connections that policies no longer allow are cut, and not left to end by themselves.
    public var cutsConnections = true
    /// Which of the new connections that policies decide about are logged.
    public var policyLog = PolicyLog.none
    /// How names are answered on this node.
    public var names = LocalNameSettings()
    /// Where load balancers ask whether this node serves services; empty: nowhere.
    public var healthAddresses: [SocketAddress] = []
    /// How often tunnels that fail are tried again; a tenth as often while they do not fail; `nil`: they are never tried.
    public var probePeriod: Duration?

    /// ``network``, with what the other settings say of it.
    var plannedNetwork: NetworkSettings {
        var network = network
        network.isForFlannel = flannelFile != nil && duties.contains(.overlay) && !duties.contains(.pods)
        return network
    }

    public init(
        node: String, duties: Set<Duty> = .all, network: NetworkSettings = NetworkSettings(), origin: String = "the source",
        stateDirectory: String = "/run/tulle", socket: String? = nil, queueDirectory: String? = nil,
        period: Duration = .seconds(60), rest: Duration = .seconds(30), serviceRanges: [IPPrefix] = [],
        nodePortAddresses: [IPPrefix] = [], metricsAddress: SocketAddress? = nil, probePeriod: Duration? = .seconds(60)
    ) {
        self.node = node
        self.duties = duties
        self.network = network
        self.origin = origin
        self.stateDirectory = stateDirectory
        self.socket = socket ?? stateDirectory + "/cni.sock"
        self.queueDirectory = queueDirectory ?? stateDirectory + "/deletions"
        self.period = period
        self.rest = rest
        self.probePeriod = probePeriod
        self.serviceRanges = serviceRanges
        self.nodePortAddresses = nodePortAddresses
        self.metricsAddress = metricsAddress
    }
}

extension AgentSettings {
    /// Found before anything is changed: the endpoint opens only once the node is as it should be, and only where pods are kept.
    ///
    /// - Throws: `ENAMETOOLONG` when the socket's path is longer than a unix address.
    public func check() throws(KernelError) {
        guard duties.contains(.pods), socket.utf8.count > CourierEndpoint.pathLimit else { return }
        throw KernelError(
            Errno(rawValue: ENAMETOOLONG), "listen on \(socket)",
            remedy: "the path has \(socket.utf8.count) bytes and may have \(CourierEndpoint.pathLimit): choose a shorter "
                + "state directory, or another socket")
    }
}

/// Time and chance as the agent sees them: given by `Commands`, or by a test.
public struct Surroundings: Sendable {
    /// Since the machine started, also while it slept (`CLOCK_BOOTTIME`): the same for an agent before and after its restart.
    public var now: @Sendable () -> Duration
    /// 0 ..< 1.
    public var random: @Sendable () -> Double
    /// What a calendar says.
    public var date: @Sendable () -> Timestamp
    /// Called when everything was listed, before any of it is acted upon: what was needed until then and is not any more can go
    /// before the first plan needs its place.
    public var hasListed: @Sendable () -> Void = {}

    public init(
        now: @escaping @Sendable () -> Duration, random: @escaping @Sendable () -> Double,
        date: @escaping @Sendable () -> Timestamp = { Timestamp(seconds: 0) }
    ) {
        self.now = now
        self.random = random
        self.date = date
    }
}
