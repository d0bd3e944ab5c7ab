/// What ADD made: the success type of the specification (§5). Addresses are text here, as they travel.
public struct AttachmentResult: Hashable, Sendable {
    public var interfaces: [Interface]
    public var ips: [IP]
    public var routes: [Route]
    public var dns: DNS

    public init(interfaces: [Interface] = [], ips: [IP] = [], routes: [Route] = [], dns: DNS = DNS()) {
        self.interfaces = interfaces
        self.ips = ips
        self.routes = routes
        self.dns = dns
    }

    public struct Interface: Hashable, Sendable {
        public var name: String
        public var mac: String?
        /// Since 1.1.0.
        public var mtu: Int?
        /// The path of the network namespace as the runtime gave it; `nil` on the node.
        public var sandbox: String?

        public init(name: String, mac: String? = nil, mtu: Int? = nil, sandbox: String? = nil) {
            self.name = name
            self.mac = mac
            self.mtu = mtu
            self.sandbox = sandbox
        }
    }

    public struct IP: Hashable, Sendable {
        /// With the length of its prefix: `192.0.2.7/32`.
        public var address: String
        public var gateway: String?
        /// The position in ``AttachmentResult/interfaces``.
        public var interface: Int?

        public init(address: String, gateway: String? = nil, interface: Int? = nil) {
            self.address = address
            self.gateway = gateway
            self.interface = interface
        }
    }

    public struct Route: Hashable, Sendable {
        /// The C-like word of the specification is `dst`.
        public var destination: String
        /// `gw`.
        public var gateway: String?
        /// Since 1.1.0, as are the four below.
        public var mtu: Int?
        public var advmss: Int?
        public var priority: Int?
        public var table: Int?
        public var scope: Int?

        public init(destination: String, gateway: String? = nil) {
            self.destination = destination
            self.gateway = gateway
        }
    }

    public struct DNS: Hashable, Sendable {
        public var nameservers: [String]
        public var domain: String?
        public var search: [String]
        public var options: [String]

        public init(nameservers: [String] = [], domain: String? = nil, search: [String] = [], options: [String] = []) {
            self.nameservers = nameservers
            self.domain = domain
            self.search = search
            self.options = options
        }
    }
}
