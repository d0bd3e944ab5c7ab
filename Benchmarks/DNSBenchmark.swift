import Addressing
import DNS

/// The name server's inside: from the bytes of a query to the bytes of its answer, without a socket, on one thread.
///
/// Over a zone as 10,000 services of five endpoints each make it. Every kind of question is checked once for what it must say, and
/// is then asked for names spread over the whole zone, so that no cache of the processor flatters the figures.
struct DNSBenchmark {
    static let services = 10_000
    static let endpoints = 5
    /// Nanoseconds for a common question, parsed, answered and written: a fifth of what a bare echo over UDP costs.
    static let limit = 860.0

    static func run(runs: Int) throws {
        try NamePlanBenchmark.run(runs: runs)
        let loading = try measure { try makeZone() }
        let zone = loading.value
        print(
            "zone: \(services) services × \(endpoints) endpoints, \(zone.nameCount) names, made in \(milliseconds(loading.time)) ms"
        )
        let zones = Zones([zone])

        for question in try questions() {
            let packets = question.packets
            try check(question, zones)
            var times: [Double] = []
            for _ in 0..<runs { times.append(perQuery(packets, zones)) }
            times.sort()
            let verdict =
                question.isCommon ? (times[times.count / 2] <= limit ? "  (limit \(Int(limit)))" : "  ABOVE \(Int(limit))") : ""
            print(
                "\(question.what): min \(Int(times[0])) ns, median \(Int(times[times.count / 2])) ns, p99 \(Int(times[times.count * 99 / 100])) ns a query\(verdict)"
            )
        }
        print("change: one endpoint more, \(try change(zone, runs: runs))")
    }

    static func perQuery(_ packets: [[UInt8]], _ zones: Zones) -> Double {
        var answering = Answering()
        var circumstances = Circumstances()
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1232, alignment: 8)
        defer { memory.deallocate() }
        let clock = ContinuousClock()
        var written = 0
        let time = clock.measure {
            for packet in packets {
                circumstances.rotation &+= 1
                written += answering.answer(packet.span, from: zones, circumstances, into: memory).count
            }
        }
        precondition(written > 0)
        return time / .nanoseconds(1) / Double(packets.count)
    }

    /// One service goes from five endpoints to six, with everybody holding the zones of before.
    static func change(_ zone: Zone, beside hosts: Hosts = Hosts(), runs: Int) throws -> String {
        let clock = ContinuousClock()
        var times: [Double] = []
        var zones = Zones([zone])
        zones.hosts = hosts
        for run in 0..<(runs * 10) {
            let number = run * 7919 % services
            let content = try content(number, endpoints: endpoints + 1)
            let held = zones
            var changed = zone
            times.append(
                clock.measure {
                    changed.replace("default/service-\(number)", with: content)
                    zones.set(changed)
                } / .microseconds(1))
            precondition(held.count == zones.count)
        }
        times.sort()
        return "median \(Int(times[times.count / 2])) µs, p99 \(Int(times[times.count * 99 / 100])) µs"
    }
}

// MARK: - What is there

extension DNSBenchmark {
    /// - Parameter domain: the zone's; the same names can stand outside the cluster.
    static func makeZone(_ domain: String = "cluster.local", ttl: TimeToLive = 5) throws -> Zone {
        let server = try name("ns.dns.\(domain)")
        let authority = StartOfAuthority(
            primary: server, mailbox: try name("hostmaster.\(domain)"), serial: 1, minimum: ttl.seconds)
        var zone = Zone(try name(domain), authority: authority, nameServers: [server], ttl: ttl)
        for number in 0..<services {
            zone.replace("default/service-\(number)", with: try content(number, endpoints: endpoints, domain, ttl))
        }
        return zone
    }

    /// Every other service is headless.
    static func content(
        _ number: Int, endpoints: Int, _ domain: String = "cluster.local", _ ttl: TimeToLive = 5
    ) throws -> ZoneContent {
        let service = try name("service-\(number).ns-\(number % 100).svc.\(domain)")
        let port = try name("_http._tcp.service-\(number).ns-\(number % 100).svc.\(domain)")
        if number % 2 == 0 {
            return [
                Record(service, .address(address(number, 0)), ttl: ttl),
                Record(port, .srv(ServiceLocation(port: 80, target: service)), ttl: ttl),
            ]
        }
        var content: ZoneContent = []
        for endpoint in 0..<endpoints {
            let address = address(number, endpoint)
            let own = try name("\(DashedAddress.label(address)).\(service)")
            content.records += [
                Record(service, .address(address), ttl: ttl), Record(own, .address(address), ttl: ttl),
                Record(port, .srv(ServiceLocation(port: 80, target: own)), ttl: ttl),
            ]
        }
        return content
    }

    private static func address(_ service: Int, _ endpoint: Int) -> IPAddress {
        .v4(IPv4Address(rawValue: 0x0A00_0000 | UInt32(service) << 8 | UInt32(endpoint)))
    }

    static func name(_ text: String) throws -> DomainName {
        guard let name = DomainName(text) else { throw Trouble("\(text) is no name") }
        return name
    }
}

// MARK: - What is asked

extension DNSBenchmark {
    private struct Asked {
        let what: String
        let isCommon: Bool
        let packets: [[UInt8]]
        let code: ResponseCode
        let answers: Int
    }

    private static func questions() throws -> [Asked] {
        func asked(
            _ what: String, _ type: RecordType, _ step: Int, isCommon: Bool = true, _ code: ResponseCode = .noError, answers: Int,
            _ text: (Int) -> String
        ) throws -> Asked {
            let packets = try stride(from: step % 2, to: services, by: 2).map { number in
                let edns = EDNS(udpSize: 1232)
                return Message.query(Question(try name(text(number)), type), id: UInt16(number), edns: edns).bytes()
            }
            return Asked(what: what, isCommon: isCommon, packets: packets, code: code, answers: answers)
        }
        let service = { (number: Int) in "service-\(number).ns-\(number % 100).svc.cluster.local" }
        return [
            try asked("a cluster IP", .a, 0, answers: 1, service),
            try asked("no data (AAAA)", .aaaa, 0, answers: 0, service),
            try asked("a headless service", .a, 1, answers: endpoints, service),
            try asked("no such name", .a, 0, .nameError, answers: 0) { "www.example.org.ns-\($0 % 100).svc.cluster.local" },
            try asked("SRV of five with addresses", .srv, 1, isCommon: false, answers: endpoints) { "_http._tcp.\(service($0))" },
        ]
    }

    private static func check(_ asked: Asked, _ zones: Zones) throws {
        var answering = Answering()
        for packet in asked.packets {
            let message = try Message(answering.answer(packet, from: zones).1)
            guard message.responseCode == asked.code, message.answers.count == asked.answers else {
                throw Trouble("\(asked.what) is answered wrongly:\n\(message)")
            }
        }
    }

    struct Trouble: Error, CustomStringConvertible {
        var description: String
        init(_ description: String) { self.description = description }
    }

    private static func measure<Value>(_ body: () throws -> Value) rethrows -> (value: Value, time: Duration) {
        var value: Value?
        let time = try ContinuousClock().measure { value = try body() }
        guard let value else { preconditionFailure("a body that returned gave nothing") }
        return (value, time)
    }

    private static func milliseconds(_ time: Duration) -> Int { Int(time / .milliseconds(1)) }
}
