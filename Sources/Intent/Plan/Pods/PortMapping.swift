public import Addressing

/// A port of the node that leads to a pod (`hostPort` and `hostIP` of a container's port).
public struct PortMapping: Hashable, Sendable {
    public var transport: TransportProtocol
    public var host: Host
    public var hostPort: UInt16
    public var podPort: UInt16

    /// Which of the node's addresses the port is on.
    public enum Host: Hashable, Sendable {
        /// Every address, of both families.
        case any
        /// Every address of a family: `0.0.0.0` or `::`.
        case every(IPFamily)
        case one(IPAddress)
    }

    public init(_ transport: TransportProtocol, _ host: Host = .any, _ hostPort: UInt16, to podPort: UInt16) {
        self.transport = transport
        self.host = host
        self.hostPort = hostPort
        self.podPort = podPort
    }
}

extension PortMapping {
    /// Whether a packet could be meant by both.
    public func overlaps(_ other: PortMapping) -> Bool {
        guard transport == other.transport, hostPort == other.hostPort else { return false }
        switch (host, other.host) {
        case (.any, _), (_, .any): return true
        case (.one(let a), .one(let b)): return a == b
        default: return host.family == other.host.family
        }
    }

    /// Whether the node reaches the pod by 127.0.0.1.
    var isOnLoopback: Bool {
        switch host {
        case .any, .every(.v4): true
        case .one(.v4(let address)): address.rawValue >> 24 == 127
        case .every(.v6), .one(.v6): false
        }
    }
}

extension PortMapping.Host {
    /// `nil` for both.
    public var family: IPFamily? {
        switch self {
        case .any: nil
        case .every(let family): family
        case .one(let address): address.family
        }
    }
}

extension PortMapping: CustomStringConvertible {
    /// `tcp 8080`, `udp 192.0.2.1:53`.
    public var description: String {
        let name = transport.rawValue.lowercased()
        return switch host {
        case .any: "\(name) \(hostPort)"
        case .every(let family): "\(name) \(family == .v4 ? "0.0.0.0" : "[::]"):\(hostPort)"
        case .one(let address): "\(name) \(SocketAddress(address, hostPort))"
        }
    }
}
