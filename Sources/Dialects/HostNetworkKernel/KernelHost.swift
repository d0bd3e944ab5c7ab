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

    public init(_ namespace: NetworkNamespace) throws(KernelError) {
        self.namespace = namespace
        hasIPv6 = Settings.hasIPv6
        socket = try NetlinkSocket(.route, in: namespace)
    }

    /// Settles settings on the way: a thread that enters a namespace is dear, and the socket needs one anyway.
    ///
    /// - Throws: the first refusal; the settings behind it are written all the same.
    public init(_ namespace: NetworkNamespace, setting settings: [Sysctl]) throws(KernelError) {
        let hasIPv6 = Settings.hasIPv6
        self.namespace = namespace
        self.hasIPv6 = hasIPv6
        socket = try namespace.perform { () throws(KernelError) in
            try Settings.settle(settings, hasIPv6: hasIPv6)
            return try NetlinkSocket(.route)
        }
    }

    /// How many messages the kernel sent so far.
    public var messageCount: Int { socket.messageCount }

    public func observe(_ interest: Interest) throws -> State {
        let observation = try Observation(socket, interest, hasIPv6: hasIPv6)
        return try observation.state(with: Settings(namespace, hasIPv6: hasIPv6).read(interest.sysctls))
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
