import Addressing
import KubeAPI

/// Which service holds which cluster IP and which node port.
///
/// ```
/// ClusterIP  10.96.0.0/16:   .0.1 … .1.0 for those who ask │ .1.1 … given in turn (random)
/// NodePort   30000 … 30085  for those who ask              │ 30086 … 32767
/// ```
struct ServiceAllocator: Sendable {
    let ranges: ServiceRanges
    private(set) var addresses: [IPAddress: String] = [:]
    private(set) var ports: [UInt16: String] = [:]
    /// What the request that is being admitted has taken so far.
    private var taken = Holding()

    init(_ ranges: ServiceRanges) { self.ranges = ranges }

    private struct Holding {
        var addresses: [IPAddress] = []
        var ports: [UInt16] = []
    }
}

/// Why a service does not get what it asks for.
enum AllocationError: Error, Hashable {
    /// 422: what is wrong, in kube-apiserver's words.
    case refused([FieldError])
    /// 500: nothing is left.
    case exhausted(String)
}

extension ServiceAllocator {
    /// Gives a settled service what it lacks, and takes back what the service it replaces does not need any more. When it throws,
    /// nothing was taken or given back.
    ///
    /// - Parameters:
    ///   - service: as ``ServiceRequest/settled(_:replacing:families:)`` left it.
    ///   - old: the service as stored, for an update.
    mutating func admit(
        _ service: JSONValue, replacing old: JSONValue? = nil, random: inout some RandomNumberGenerator
    ) throws(AllocationError) -> JSONValue {
        var request = ServiceRequest(service, replacing: old)
        let before = old.map(held) ?? Holding()
        let owner = request.owner
        release(before)
        taken = Holding()
        defer { taken = Holding() }
        do {
            try giveAddresses(&request, random: &random)
            try givePorts(&request, random: &random)
        } catch {
            release(taken)
            for address in before.addresses { addresses[address] = owner }
            for port in before.ports { ports[port] = owner }
            throw error
        }
        return request.tree
    }

    /// A service is gone.
    mutating func release(_ service: JSONValue) { release(held(service)) }

    private mutating func release(_ holding: Holding) {
        for address in holding.addresses { addresses[address] = nil }
        for port in holding.ports { ports[port] = nil }
    }

    /// What a service has, as far as it is its own.
    private func held(_ service: JSONValue) -> Holding {
        let owner = ServiceRequest.owner(service)
        return Holding(
            addresses: Self.addresses(of: service).filter { addresses[$0] == owner },
            ports: Self.ports(of: service).filter { ports[$0] == owner })
    }

    /// Learns at start what stored services hold. What two of them hold stays with the first.
    ///
    /// - Returns: a sentence for everything that is not as it should be.
    mutating func repair(_ services: [JSONValue]) -> [String] {
        (addresses, ports) = ([:], [:])
        var problems: [String] = []
        for service in services {
            let owner = ServiceRequest.owner(service)
            for address in Self.addresses(of: service) {
                if !ranges.clusterIPs.contains(where: { $0.contains(address) }) {
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

    private static func addresses(of service: JSONValue) -> [IPAddress] {
        (service.at("spec", "clusterIPs")?.array ?? [service.at("spec", "clusterIP") ?? .null])
            .compactMap { $0.string.flatMap { IPAddress($0) } }
    }

    private static func ports(of service: JSONValue) -> [UInt16] {
        let ports =
            (service.at("spec", "ports")?.array ?? []).map { $0["nodePort"] } + [service.at("spec", "healthCheckNodePort")]
        return ports.compactMap { $0?.integer.flatMap { UInt16(exactly: $0) } }.filter { $0 != 0 }
    }
}

// MARK: - Giving

extension ServiceAllocator {
    private mutating func giveAddresses(
        _ request: inout ServiceRequest, random: inout some RandomNumberGenerator
    ) throws(AllocationError) {
        guard request.needsClusterIP, !request.isHeadless else { return }
        var given = request.clusterIPs
        for (position, family) in request.families.enumerated() {
            guard let range = ranges.clusterIPs.first(where: { $0.family == family }) else { continue }
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

    private mutating func take(_ text: String, _ range: IPPrefix, _ request: ServiceRequest) throws(AllocationError) {
        let shown = JSONValue.array(request.clusterIPs.map(JSONValue.string))
        func refusal(_ reason: String) -> AllocationError {
            .refused([.invalid(FieldPath("spec", "clusterIPs"), shown, "failed to allocate IP \(text): \(reason)")])
        }
        guard let address = IPAddress(text), range.contains(address), address != range.address,
            address.number - range.address.number <= Self.usable(range)
        else { throw refusal("the provided IP (\(text)) is not in the valid range. The range of valid IPs is \(range)") }
        guard addresses[address] == nil else { throw refusal("provided IP is already allocated") }
        hold(address, request.owner)
    }

    private mutating func next(
        in range: IPPrefix, _ request: ServiceRequest, random: inout some RandomNumberGenerator
    ) throws(AllocationError) -> String {
        // The first position is the address after the network's own.
        let band = AllocationBand(addresses: Self.usable(range))
        let free = band.free(using: &random) { addresses[range.address.advanced(by: $0 + 1)] != nil }
        guard let free else { throw .exhausted("failed to allocate a serviceIP: range is full") }
        let address = range.address.advanced(by: free + 1)
        hold(address, request.owner)
        return address.description
    }

    private mutating func givePorts(
        _ request: inout ServiceRequest, random: inout some RandomNumberGenerator
    ) throws(AllocationError) {
        // What is asked for comes first, so that it is not given to a port that asks for none.
        for (position, port) in request.ports.enumerated() {
            guard let wish = ServiceRequest.nodePort(port) else { continue }
            // Two protocols of one service may share a number; two ports of one protocol may not.
            let shared = request.ports.prefix(position).contains {
                ServiceRequest.nodePort($0) == wish && $0["protocol"]?.string ?? "TCP" != port["protocol"]?.string ?? "TCP"
            }
            if !shared { try take(wish, at: FieldPath("spec", "ports").index(position).child("nodePort"), request.owner) }
        }
        for (position, port) in request.ports.enumerated() where request.givesNodePorts && ServiceRequest.nodePort(port) == nil {
            let twin = request.ports.first {
                $0["port"] == port["port"] && $0["protocol"]?.string ?? "TCP" != port["protocol"]?.string ?? "TCP"
                    && ServiceRequest.nodePort($0) != nil
            }
            if let shared = twin.flatMap(ServiceRequest.nodePort) {
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

    private mutating func take(_ wish: Int, at path: FieldPath, _ owner: String) throws(AllocationError) {
        guard let port = UInt16(exactly: wish), ranges.nodePorts.contains(port) else {
            let range = "\(ranges.nodePorts.lowerBound)-\(ranges.nodePorts.upperBound)"
            throw .refused([
                .invalid(path, .integer(wish), "provided port is not in the valid range. The range of valid ports is \(range)")
            ])
        }
        guard ports[port] == nil else { throw .refused([.invalid(path, .integer(wish), "provided port is already allocated")]) }
        hold(port, owner)
    }

    private mutating func nextPort(_ owner: String, random: inout some RandomNumberGenerator) throws(AllocationError) -> Int {
        let band = AllocationBand(ports: UInt128(ranges.nodePorts.count))
        let first = Int(ranges.nodePorts.lowerBound)
        guard let free = band.free(using: &random, isTaken: { ports[UInt16(first + Int($0))] != nil }) else {
            throw .exhausted("failed to allocate a nodePort: range is full")
        }
        hold(UInt16(first + Int(free)), owner)
        return first + Int(free)
    }

    private mutating func hold(_ address: IPAddress, _ owner: String) {
        addresses[address] = owner
        taken.addresses.append(address)
    }

    private mutating func hold(_ port: UInt16, _ owner: String) {
        ports[port] = owner
        taken.ports.append(port)
    }
}
