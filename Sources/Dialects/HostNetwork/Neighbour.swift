public import Addressing

/// What is known for good about an address on a link.
///
/// Entries that the kernel learnt come and go by themselves and are not part of the state.
public struct Neighbour: Hashable, Sendable {
    public var address: IPAddress
    public var link: String
    public var answer: Answer

    public enum Answer: Hashable, Sendable {
        /// The neighbour has this MAC: the kernel never asks (`NUD_PERMANENT`).
        case mac(MACAddress)
        /// The node answers for the neighbour (`NTF_PROXY`).
        case proxy
    }

    public init(_ address: IPAddress, on link: String, _ answer: Answer) {
        self.address = address
        self.link = link
        self.answer = answer
    }

    /// The kernel keeps what it knows and what it answers for in two tables.
    public struct Key: Hashable, Sendable {
        public var address: IPAddress
        public var link: String
        public var isProxy: Bool

        public init(_ address: IPAddress, on link: String, isProxy: Bool = false) {
            self.address = address
            self.link = link
            self.isProxy = isProxy
        }
    }

    public var key: Key { Key(address, on: link, isProxy: answer == .proxy) }
}

extension Neighbour: CustomStringConvertible {
    public var description: String {
        switch answer {
        case .mac(let mac): "neighbour \(address) mac \(mac) dev \(link)"
        case .proxy: "neighbour \(address) proxy dev \(link)"
        }
    }
}

/// Where the frames for a MAC address go: from a VXLAN link to a node (`bridge fdb … self permanent`), or from a bridge to one of its
/// ports (`bridge fdb … master static`).
public struct Forwarding: Hashable, Sendable {
    public var mac: MACAddress
    /// The VXLAN link, or the port.
    public var link: String
    /// The node that has it; `nil` for a port: it is behind the port itself.
    public var destination: IPAddress?

    public init(_ mac: MACAddress, on link: String, to destination: IPAddress? = nil) {
        self.mac = mac
        self.link = link
        self.destination = destination
    }

    public struct Key: Hashable, Sendable {
        public var mac: MACAddress
        public var link: String
        /// The zero MAC means every unknown one, and has a list of destinations; any other MAC has one.
        public var destination: IPAddress?

        public init(_ mac: MACAddress, on link: String, to destination: IPAddress? = nil) {
            self.mac = mac
            self.link = link
            self.destination = mac == .zero ? destination : nil
        }
    }

    public var key: Key { Key(mac, on: link, to: destination) }
}

extension Forwarding: CustomStringConvertible {
    public var description: String { "forwarding \(mac) dev \(link)" + (destination.map { " to \($0)" } ?? "") }
}

/// A setting under `/proc/sys`.
public struct Sysctl: Hashable, Sendable {
    /// Below `/proc/sys`, with slashes, because link names may hold dots: `net/ipv4/conf/eth0.7/forwarding`.
    public var path: String
    public var value: String

    /// - Parameter value: the kernel writes several numbers with tabs between them and reads them with any space: here they have one space.
    public init(_ path: String, _ value: String) {
        self.path = path
        let isPlain = value.utf8.allSatisfy { $0 > 0x20 }
        self.value = isPlain ? value : value.split { " \t\n".contains($0) }.joined(separator: " ")
    }

    /// What a setting below `net/ipv6` is taken for where there is no IPv6: switched off. `nil` for every other setting.
    public static func withoutIPv6(_ path: String) -> Sysctl? {
        path.hasPrefix("net/ipv6/") ? Sysctl(path, path.hasSuffix("/disable_ipv6") ? "1" : "0") : nil
    }

    /// The link whose setting it is; its going takes the setting along.
    var link: String? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == "net", parts[2] == "conf" || parts[2] == "neigh" else { return nil }
        return ["all", "default"].contains(parts[3]) ? nil : String(parts[3])
    }
}

extension Sysctl: CustomStringConvertible {
    public var description: String { "sysctl \(path) = \(value)" }
}
