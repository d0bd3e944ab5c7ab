public import HostNetwork
public import Netlink

/// A network namespace of the kernel, looked at and changed through one socket.
///
/// Calls block; one owner at a time. The namespace is the one it was made with, whatever thread calls.
public final class KernelHost: HostNetworkEnd {
    public let namespace: NetworkNamespace
    /// The namespaces that a veth's other end may be made in, by the names that `Link.Peer.namespace` uses.
    public var namespaces: [String: NetworkNamespace] = [:]

    public let hasIPv6: Bool

    let socket: NetlinkSocket
    let settings: SettingsFolder
    /// Indices of links that are known without asking. `lo` has the first in every namespace (`LOOPBACK_IFINDEX`).
    private(set) var indices: [String: Int32] = ["lo": 1]
    /// The indices of the other ends of links made here, by ``namespaces``' name and their own: where the kernel said them.
    var madeElsewhere: [String: [String: Int32]] = [:]

    /// - Parameter settings: the namespace's, where they were looked up before.
    public init(_ namespace: NetworkNamespace, settings: SettingsFolder? = nil) throws(KernelError) {
        self.namespace = namespace
        hasIPv6 = SettingsFolder.hasIPv6
        self.settings = settings ?? SettingsFolder(of: namespace)
        socket = try NetlinkSocket(.route, in: namespace)
    }

    /// Settles settings on the way: a thread has to enter the namespace for the socket anyway.
    ///
    /// - Throws: the first refusal; the settings behind it are written all the same.
    public init(_ namespace: NetworkNamespace, setting wanted: [Sysctl]) throws(KernelError) {
        self.namespace = namespace
        hasIPv6 = SettingsFolder.hasIPv6
        let settings = SettingsFolder(of: namespace)
        self.settings = settings
        socket = try namespace.perform { () throws(KernelError) in
            try settings.settle(wanted)
            return try NetlinkSocket(.route)
        }
    }

    /// Takes over what another host learnt when it made links whose other ends are here: they need not be asked for.
    ///
    /// - Parameter name: what the other host calls this namespace.
    public func takeIndices(from other: KernelHost, as name: String) {
        indices.merge(other.madeElsewhere[name] ?? [:]) { $1 }
    }

    /// How many messages the kernel sent so far.
    public var messageCount: Int { socket.messageCount }

    public func observe(_ interest: Interest) throws -> State {
        let observation = try Observation(socket, interest, hasIPv6: hasIPv6)
        return try observation.state(with: settings.read(interest.sysctls))
    }

    public func apply(_ changes: [Change]) throws -> [Refusal] {
        let application = Application(self)
        return try application.run(changes)
    }
}

extension Refusal {
    init(_ change: Change, _ error: KernelError) {
        self.init(change, Code(rawValue: error.code.rawValue), error.operation, explanation: error.explanation)
    }

    /// The refusal as the kernel said it: for `catch Errno.fileExists` and for words people know.
    public var kernelError: KernelError {
        KernelError(Errno(rawValue: code.rawValue), operation, explanation: explanation)
    }
}
