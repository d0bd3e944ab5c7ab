import Addressing
import CNI
import Plan

/// Capabilities in the words of CNI: as `runtimeConfig` says them, and as a record keeps them.
extension [PortMapping] {
    /// `portMappings`: `[{"hostPort":8080,"containerPort":80,"protocol":"tcp","hostIP":"192.0.2.1"}]`. An entry without a port of
    /// the node asks for nothing.
    ///
    /// - Throws: code 7.
    init(_ value: SmallJSON, _ place: String) throws(Failure) {
        guard let list = value.array else { throw PodWishes.malformed(place, value, "it is a list") }
        self.init()
        for entry in list {
            for mapping in try Self.mapping(entry, place) where !contains(mapping) {
                if let other = first(where: mapping.overlaps) {
                    throw PodWishes.malformed(place, value, "\(mapping) and \(other) are one port")
                }
                append(mapping)
            }
        }
    }

    /// None when the entry asks for no port of the node.
    private static func mapping(_ entry: SmallJSON, _ place: String) throws(Failure) -> [PortMapping] {
        guard entry.members != nil else { throw PodWishes.malformed(place, entry, "each is an object") }
        let hostPort = try port("hostPort", entry, place)
        guard hostPort != 0 else { return [] }
        let podPort = try port("containerPort", entry, place)
        guard podPort != 0 else { throw PodWishes.malformed(place, entry, "containerPort is 1 to 65535") }
        let name = entry["protocol"]?.string ?? "tcp"
        guard let transport = TransportProtocol(rawValue: name.isEmpty ? "TCP" : name.uppercased()) else {
            throw PodWishes.malformed(place, entry, "protocol is tcp, udp or sctp")
        }
        guard let host = PortMapping.Host(reading: entry["hostIP"]?.string ?? "") else {
            throw PodWishes.malformed(place, entry, "hostIP is an address of the node")
        }
        return [PortMapping(transport, host, hostPort, to: podPort)]
    }

    private static func port(_ key: String, _ entry: SmallJSON, _ place: String) throws(Failure) -> UInt16 {
        guard let value = entry[key] else { return 0 }
        guard let port = value.integer.flatMap(UInt16.init(exactly:)) else {
            throw PodWishes.malformed(place, entry, "\(key) is 1 to 65535")
        }
        return port
    }
}

extension PortMapping.Host {
    /// `nil` for what is no address; nothing is every address.
    fileprivate init?(reading text: String) {
        self = .any
        guard !text.isEmpty else { return }
        guard let address = IPAddress(text) else { return nil }
        self = address.bytes.allSatisfy { $0 == 0 } ? .every(address.family) : .one(address)
    }
}

extension PortMapping {
    var json: SmallJSON {
        var document: SmallJSON = [
            "hostPort": .number("\(hostPort)"), "containerPort": .number("\(podPort)"),
            "protocol": .string(transport.rawValue.lowercased()),
        ]
        switch host {
        case .any: break
        case .every(let family): document["hostIP"] = family == .v4 ? "0.0.0.0" : "::"
        case .one(let address): document["hostIP"] = .string(address.description)
        }
        return document
    }
}

extension Bandwidth {
    /// `bandwidth`: `{"ingressRate":1000000,"ingressBurst":80000,"egressRate":…,"egressBurst":…}`, in bits a second and in bits.
    ///
    /// A burst of 2³² − 1 is what containerd and CRI-O write when nobody said one: taken at its word, the first half gigabyte
    /// would pass at once.
    ///
    /// - Throws: code 7.
    init(_ value: SmallJSON, _ place: String) throws(Failure) {
        guard value.members != nil else { throw PodWishes.malformed(place, value, "it is an object") }
        self.init(ingress: try Self.limit("ingress", value, place), egress: try Self.limit("egress", value, place))
    }

    private static func limit(_ way: String, _ value: SmallJSON, _ place: String) throws(Failure) -> Limit? {
        let rate = try number("\(way)Rate", value, place)
        let burst = try number("\(way)Burst", value, place)
        guard rate > 0 else {
            guard burst == 0 || burst == UInt64(UInt32.max) else {
                throw PodWishes.malformed(place, value, "a burst needs a rate: \(way)Rate")
            }
            return nil
        }
        guard rate >= 1000 else { throw PodWishes.malformed(place, value, "\(way)Rate is at least 1000 bits a second") }
        guard max(rate, burst) <= Limit.greatest else {
            throw PodWishes.malformed(place, value, "\(way)Rate and \(way)Burst are at most \(Limit.greatest)")
        }
        return Limit(rate: rate, burst: burst == 0 || burst >= UInt64(UInt32.max) ? nil : burst)
    }

    private static func number(_ key: String, _ value: SmallJSON, _ place: String) throws(Failure) -> UInt64 {
        guard let entry = value[key] else { return 0 }
        guard let number = entry.integer.flatMap(UInt64.init(exactly:)) else {
            throw PodWishes.malformed(place, value, "\(key) is a number of bits")
        }
        return number
    }

    var json: SmallJSON {
        var document: SmallJSON = [:]
        for (way, limit) in [("ingress", ingress), ("egress", egress)] {
            guard let limit else { continue }
            document["\(way)Rate"] = .number("\(limit.rate)")
            document["\(way)Burst"] = limit.burst.map { .number("\($0)") }
        }
        return document
    }
}
