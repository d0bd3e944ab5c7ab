public import Addressing
public import KubeAPI

/// Cluster IPs and node ports, given in the request that creates or changes a service.
///
/// A value: admission works on a copy and puts it in place when the object was stored, so a dry run or a refused write gives
/// nothing away.
///
/// ```
/// ClusterIP  10.96.0.0/16:   .0.1 … .1.0 for those who ask │ .1.1 … given in turn (random)
/// NodePort   30000 … 30085  for those who ask              │ 30086 … 32767
/// ```
public struct ServiceAllocator: Sendable {
    /// One of each family of the cluster, the first the primary one.
    public let ranges: [IPPrefix]
    public let nodePorts: ClosedRange<UInt16>
    var addresses: [IPAddress: String] = [:]
    var ports: [UInt16: String] = [:]

    public init(ranges: [IPPrefix], nodePorts: ClosedRange<UInt16> = 30000...32767) {
        self.ranges = ranges
        self.nodePorts = nodePorts
    }

    /// What a request came to.
    public enum Admission: Hashable, Sendable {
        /// The service with its families, addresses and ports filled in.
        case accepted(JSONValue)
        /// 422: what is wrong, in kube-apiserver's words.
        case refused([FieldError])
        /// 500: nothing is left.
        case exhausted(String)
    }

    /// The address of the `kubernetes` service.
    public var first: IPAddress? { ranges.first?.address(at: 1) }
}

extension ServiceAllocator {
    /// Admits a new service, or a change of one. When it is not accepted nothing was taken or released.
    ///
    /// - Parameter old: the service as stored, for an update.
    public mutating func admit(
        _ service: JSONValue, replacing old: JSONValue? = nil, random: inout some RandomNumberGenerator
    ) -> Admission {
        var request = ServiceRequest(service, replacing: old)
        var errors = request.carryOver()
        if errors.isEmpty { errors = request.settleFamilies(ranges.map(\.family)) }
        guard errors.isEmpty else { return .refused(errors) }
        var draft = self
        if let old { draft.release(old) }
        do {
            try draft.giveAddresses(&request, random: &random)
            try draft.givePorts(&request, random: &random)
        } catch {
            return error.admission
        }
        self = draft
        return .accepted(request.tree)
    }

    /// A service is gone.
    public mutating func release(_ service: JSONValue) {
        let owner = Self.owner(service)
        for address in Self.addresses(of: service) where addresses[address] == owner { addresses[address] = nil }
        for port in Self.ports(of: service) where ports[port] == owner { ports[port] = nil }
    }

    /// Learns at start what stored services hold. What two of them hold stays with the first; the rest is told.
    public mutating func repair(_ services: [JSONValue]) -> [String] {
        (addresses, ports) = ([:], [:])
        var problems: [String] = []
        for service in services {
            let owner = Self.owner(service)
            for address in Self.addresses(of: service) {
                if !ranges.contains(where: { $0.contains(address) }) {
                    problems.append(
                        "service \(owner): the cluster IP \(address) is in no service range; create the service again")
                } else if let other = addresses[address] {
                    problems.append("service \(owner): the cluster IP \(address) is service \(other)'s; create the service again")
                } else {
                    addresses[address] = owner
                }
            }
            for port in Set(Self.ports(of: service)).sorted() {
                if let other = ports[port] {
                    problems.append("service \(owner): the node port \(port) is service \(other)'s; choose another one")
                } else {
                    ports[port] = owner
                }
            }
        }
        return problems
    }

    static func owner(_ service: JSONValue) -> String {
        "\(service[field: "metadata", "namespace"]?.string ?? "")/\(service[field: "metadata", "name"]?.string ?? "")"
    }

    private static func addresses(of service: JSONValue) -> [IPAddress] {
        (service[field: "spec", "clusterIPs"]?.array ?? [service[field: "spec", "clusterIP"] ?? .null])
            .compactMap { $0.string.flatMap { IPAddress($0) } }
    }

    private static func ports(of service: JSONValue) -> [UInt16] {
        let ports =
            (service[field: "spec", "ports"]?.array ?? []).map { $0["nodePort"] } + [
                service[field: "spec", "healthCheckNodePort"]
            ]
        return ports.compactMap { $0?.integer.flatMap { UInt16(exactly: $0) } }.filter { $0 != 0 }
    }
}

// MARK: - Giving

private enum Refusal: Error {
    case invalid(FieldError)
    case exhausted(String)

    var admission: ServiceAllocator.Admission {
        switch self {
        case .invalid(let error): .refused([error])
        case .exhausted(let message): .exhausted(message)
        }
    }
}

extension ServiceAllocator {
    private mutating func giveAddresses(
        _ request: inout ServiceRequest, random: inout some RandomNumberGenerator
    ) throws(Refusal) {
        guard request.needsClusterIP, !request.isHeadless else { return }
        var given = request.clusterIPs
        for (position, family) in request.families.enumerated() {
            guard let range = ranges.first(where: { $0.family == family }) else { continue }
            if position < given.count, !given[position].isEmpty {
                try take(given[position], range, request)
            } else {
                let address = try next(in: range, request, random: &random)
                if position < given.count { given[position] = address } else { given.append(address) }
            }
        }
        request.clusterIPs = given
    }

    /// Positions are counted from the first address that may be given: the network's own and IPv4's broadcast never are.
    private static func usable(_ range: IPPrefix) -> UInt128 {
        let count = range.count ?? .max
        return count <= 2 ? 0 : count - (range.family == .v4 ? 2 : 1)
    }

    private mutating func take(_ text: String, _ range: IPPrefix, _ request: ServiceRequest) throws(Refusal) {
        let shown = JSONValue.array(request.clusterIPs.map(JSONValue.string))
        func refusal(_ reason: String) -> Refusal {
            .invalid(.invalid(FieldPath("spec", "clusterIPs"), shown, "failed to allocate IP \(text): \(reason)"))
        }
        guard let address = IPAddress(text), range.contains(address), address != range.address,
            address.number - range.address.number <= Self.usable(range)
        else { throw refusal("the provided IP (\(text)) is not in the valid range. The range of valid IPs is \(range)") }
        guard addresses[address] == nil else { throw refusal("provided IP is already allocated") }
        addresses[address] = request.owner
    }

    private mutating func next(
        in range: IPPrefix, _ request: ServiceRequest, random: inout some RandomNumberGenerator
    ) throws(Refusal) -> String {
        // The first position is the address after the network's own.
        let band = AllocationBand(addresses: Self.usable(range))
        let free = band.free(using: &random) { addresses[range.address.advanced(by: $0 + 1)] != nil }
        guard let free else { throw .exhausted("failed to allocate a serviceIP: range is full") }
        let address = range.address.advanced(by: free + 1)
        addresses[address] = request.owner
        return address.description
    }

    private mutating func givePorts(
        _ request: inout ServiceRequest, random: inout some RandomNumberGenerator
    ) throws(Refusal) {
        // What is asked for comes first, so that it is not given to a port that asks for none.
        for (position, port) in request.ports.enumerated() {
            guard let wish = port["nodePort"]?.integer, wish != 0 else { continue }
            // Two protocols of one service may share a number; two ports of one protocol may not.
            let shared = request.ports.prefix(position).contains {
                $0["nodePort"]?.integer == wish && $0["protocol"]?.string ?? "TCP" != port["protocol"]?.string ?? "TCP"
            }
            if !shared { try take(wish, at: FieldPath("spec", "ports").index(position).child("nodePort"), request.owner) }
        }
        for (position, port) in request.ports.enumerated() where request.givesNodePorts && (port["nodePort"]?.integer ?? 0) == 0 {
            let twin = request.ports.first {
                $0["port"] == port["port"] && $0["protocol"]?.string ?? "TCP" != port["protocol"]?.string ?? "TCP"
                    && ($0["nodePort"]?.integer ?? 0) != 0
            }
            if let shared = twin?["nodePort"]?.integer {
                request.setNodePort(shared, at: position)
            } else {
                request.setNodePort(try nextPort(request.owner, random: &random), at: position)
            }
        }
        guard request.needsHealthPort else { return }
        if let wish = request.healthPort {
            try take(wish, at: FieldPath("spec", "healthCheckNodePort"), request.owner)
        } else {
            request.healthPort = try nextPort(request.owner, random: &random)
        }
    }

    private mutating func take(_ wish: Int, at path: FieldPath, _ owner: String) throws(Refusal) {
        guard let port = UInt16(exactly: wish), nodePorts.contains(port) else {
            let range = "\(nodePorts.lowerBound)-\(nodePorts.upperBound)"
            throw .invalid(
                .invalid(path, JSONValue(wish), "provided port is not in the valid range. The range of valid ports is \(range)"))
        }
        guard ports[port] == nil else { throw .invalid(.invalid(path, JSONValue(wish), "provided port is already allocated")) }
        ports[port] = owner
    }

    private mutating func nextPort(_ owner: String, random: inout some RandomNumberGenerator) throws(Refusal) -> Int {
        let band = AllocationBand(ports: UInt128(nodePorts.count))
        let first = Int(nodePorts.lowerBound)
        guard let free = band.free(using: &random, isTaken: { ports[UInt16(first + Int($0))] != nil }) else {
            throw .exhausted("failed to allocate a nodePort: range is full")
        }
        ports[UInt16(first + Int(free))] = owner
        return first + Int(free)
    }
}
