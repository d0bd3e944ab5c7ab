import Addressing
import DNS
import NameServer
import Testing

@Suite("hosts against a list that is read as it is written")
struct HostsTests {
    /// Hosts, a zone that denies what it does not have, one that passes it on, and a part of the reverse tree that does.
    private struct Model {
        var lines: [(address: IPAddress, names: [DomainName])] = []
        var zones: [DomainName: (passesOn: Bool, records: [Record])] = [:]

        /// The first name of each address stands at it.
        var hosts: [Record] {
            var seen: Set<IPAddress> = []
            return lines.flatMap { line in line.names.map { Record($0, .address(line.address), ttl: 60) } }
                + lines.filter { seen.insert($0.address).inserted }.map {
                    Record(DomainName(reversing: $0.address), .ptr($0.names[0]), ttl: 60)
                }
        }

        func answer(_ name: DomainName, _ type: RecordType) -> String {
            let own = hosts.filter { $0.name == name }
            let apex = zones.keys.filter { name.isInside($0) }.max { $0.labelCount < $1.labelCount }
            guard let apex, let zone = zones[apex] else { return own.isEmpty ? "outside" : say(own, type) }
            if !zone.passesOn {
                let all =
                    zone.records
                    + hosts.filter { host in
                        zones.keys.filter { host.name.isInside($0) }.max { $0.labelCount < $1.labelCount } == apex
                    }
                guard name == apex || all.contains(where: { $0.name.isInside(name) }) else { return "NXDOMAIN" }
                return say(all.filter { $0.name == name }, type)
            }
            let all = zone.records.filter { $0.name == name } + own
            return all.isEmpty && name != apex ? "outside" : say(all, type)
        }

        private func say(_ records: [Record], _ type: RecordType) -> String {
            let data = records.contains { $0.type != .cname } ? records.filter { $0.type != .cname } : records
            if let alias = data.first(where: { $0.type == .cname }) { return "outside behind \(alias.data)" }
            return (["NOERROR"] + Set(data.filter { $0.type == type }.map { "\($0.data)".lowercased() }).sorted())
                .joined(separator: " ")
        }
    }

    private static let apexes = ["z", "y", "in-addr.arpa"]

    private static func name(_ text: String) throws -> DomainName { try #require(DomainName(text)) }

    /// Names that collide: in the zones, above and below one another, and in none.
    private static let names = [
        "x", "a.x", "B.a.x", "z", "a.z", "b.a.z", "c.b.a.z", "y", "a.y", "b.A.y", "1.2.0.192.in-addr.arpa",
    ]

    private static func answer(_ name: DomainName, _ type: RecordType, _ zones: Zones) throws -> String {
        var answering = Answering()
        let query = Message.query(Question(name, type), id: 1, edns: EDNS(udpSize: 1232))
        let (outcome, bytes) = answering.answer(query.bytes(), from: zones, Circumstances(.tcp, forwards: true))
        if case .outside = outcome { return "outside" }
        let message = try Message(bytes)
        if case .unfinished = outcome { return "outside behind \(message.answers.map { "\($0.data)" }.joined())" }
        if message.answers.isEmpty {
            // RFC 2308 §3: beside a denial stands the SOA record of a zone that the name is in.
            #expect(message.authorities.map(\.type) == [.soa] && message.authorities.allSatisfy { name.isInside($0.name) })
        }
        #expect(message.header.isAuthoritative && message.answers.allSatisfy { $0.name == name })
        return ([message.responseCode.description] + message.answers.map { "\($0.data)".lowercased() }.sorted())
            .joined(separator: " ")
    }

    private static func address(_ dice: inout RepeatableDice) -> IPAddress {
        let last = UInt8.random(in: 1...3, using: &dice)
        return Bool.random(using: &dice) ? .v4(IPv4Address(192, 0, 2, last)) : .v6(IPv6Address(rawValue: UInt128(last)))
    }

    private static func text(_ lines: [(address: IPAddress, names: [DomainName])], _ dice: inout RepeatableDice) -> String {
        lines.map { line in
            let names = line.names.map(\.description)
            return "\(line.address)\t\(names.joined(separator: " "))" + (Bool.random(using: &dice) ? " # one\r\n" : "\n")
        }.joined(separator: Bool.random(using: &dice) ? "\n" : "# none\n")
    }

    @Test("a set of hosts in the place of another answers for its own names and for no others", arguments: 0..<6)
    func likeTheList(_ round: Int) throws {
        let seed = UInt64.random(in: 0...(.max))
        var dice = RepeatableDice(seed: seed)
        var model = Model()
        var zones = Zones()
        for text in Self.apexes {
            let apex = try Self.name(text)
            model.zones[apex] = (text != "z", [])
            let authority = StartOfAuthority(primary: apex, mailbox: apex, serial: 1)
            zones.set(Zone(apex, authority: authority, nameServers: [], passesOn: text != "z"))
        }
        let all = try Self.names.map(Self.name)
        var old: CustomNames?
        for step in 0..<8 {
            if step % 3 == 0 {
                for apex in model.zones.keys {
                    let names = all.filter { $0.isInside(apex) && $0 != apex }
                    let passesOn = model.zones[apex]?.passesOn ?? false
                    let records = (0..<Int.random(in: 0...2, using: &dice)).compactMap { _ -> Record? in
                        guard let name = names.randomElement(using: &dice) else { return nil }
                        let last = UInt8.random(in: 1...9, using: &dice)
                        let isAlias = passesOn && Int.random(in: 0..<3, using: &dice) == 0
                        return Record(name, isAlias ? .cname(.root) : .a(IPv4Address(192, 0, 2, last)), ttl: 5)
                    }
                    // One alias at most stands at a name.
                    let few = records.count == 2 && records.allSatisfy { $0.type == .cname } ? Array(records.prefix(1)) : records
                    model.zones[apex]?.records = few
                    zones[apex]?.replace("others", with: ZoneContent(few))
                }
            }
            model.lines = (0..<Int.random(in: 0...6, using: &dice)).map { _ in
                (
                    Self.address(&dice),
                    (0..<Int.random(in: 1...3, using: &dice)).compactMap { _ in all.randomElement(using: &dice) }
                )
            }
            var writer = HostsWriter(ttl: 60)
            #expect(writer.read(Self.text(model.lines, &dice)).isEmpty)
            let names = CustomNames(hosts: writer.finished())
            names.apply(to: &zones, insteadOf: old)
            old = names
            let reverse = (1...3).flatMap { last in
                [IPAddress.v4(IPv4Address(192, 0, 2, last)), .v6(IPv6Address(rawValue: UInt128(last)))].map(
                    DomainName.init(reversing:))
            }
            for name in Set(all + all.compactMap { $0.child("w") } + reverse) {
                for type in [RecordType.a, .aaaa, .ptr, .txt] {
                    let found = try Self.answer(name, type, zones)
                    #expect(found == model.answer(name, type), "seed \(seed) step \(step): \(name) \(type)\n\(model.lines)")
                }
            }
        }
        CustomNames().apply(to: &zones, insteadOf: old)
        let inside = try Self.name("a.z")
        #expect(zones.hosts.isEmpty && zones.sources(of: inside).allSatisfy { $0 == "others" })
    }

    @Test("thousands of names with thousands of addresses are all found, and none that is not there")
    func many() throws {
        var writer = HostsWriter()
        for number in 0..<4_000 {
            let name = try Self.name("h\(number).example.org")
            writer.add(.v4(IPv4Address(rawValue: UInt32(number))), [name])
            if number % 2 == 0 { writer.add(.v6(IPv6Address(rawValue: UInt128(number))), [name]) }
            writer.add(.v4(IPv4Address(10, 0, 0, 1)), [try Self.name("all.example.org"), name])
            writer.add(.v4(IPv4Address(rawValue: UInt32(number))), [try Self.name("all.example.org")])
        }
        var zones = Zones()
        zones.hosts = writer.finished()
        for number in stride(from: 0, to: 4_000, by: 7) {
            let name = try Self.name("H\(number).example.org")
            let addresses = [IPv4Address(rawValue: UInt32(number)), IPv4Address(10, 0, 0, 1)].map { "\($0)" }.sorted()
            #expect(try Self.answer(name, .a, zones) == "NOERROR \(addresses.joined(separator: " "))")
            #expect(try Self.answer(name, .aaaa, zones).contains(":") == (number % 2 == 0))
            let reverse = DomainName(reversing: .v4(IPv4Address(rawValue: UInt32(number))))
            #expect(try Self.answer(reverse, .ptr, zones) == "NOERROR h\(number).example.org.")
            #expect(try Self.answer(try Self.name("g\(number).example.org"), .a, zones) == "outside")
        }
        #expect(zones.hosts.records.filter { $0.name.description == "all.example.org." }.count == 4_001)
    }

    @Test("a host is a zone of its own, with an SOA record and a name server")
    func zone() throws {
        var writer = HostsWriter(ttl: 60)
        writer.add(.v4(IPv4Address(192, 0, 2, 1)), [try Self.name("Db.example.org")])
        var zones = Zones()
        zones.hosts = writer.finished()
        func lines(_ type: RecordType) throws -> [String] {
            var answering = Answering()
            let query = Message.query(Question(try Self.name("db.example.org"), type), id: 1)
            let message = try Message(answering.answer(query.bytes(), from: zones).1)
            return (message.answers + message.authorities + message.additionals).map(\.description)
        }
        let soa = "IN SOA db.example.org. hostmaster.db.example.org. 1 7200 1800 86400 30"
        #expect(try lines(.soa) == ["db.example.org. 60 \(soa)"])
        #expect(try lines(.txt) == ["db.example.org. 30 \(soa)"])
        #expect(try lines(.any) == ["db.example.org. 60 IN A 192.0.2.1"])
        #expect(try lines(.ns) == ["db.example.org. 60 IN NS db.example.org.", "db.example.org. 60 IN A 192.0.2.1"])
        // The name of the address is as it was written.
        #expect(zones.hosts.records.map(\.data).last == .ptr(try Self.name("Db.example.org")))
        #expect(zones.hosts.records.last?.data.description == "Db.example.org.")
    }

    @Test(
        "what is no line of hosts is told with its place",
        arguments: [
            ("192.0.2 a", "1:1 192.0.2 is no address; a line is an address and then its names"),
            ("\n 192.0.2.1 # a", "2:2 no name stands behind 192.0.2.1"), ("192.0.2.1 .", "1:11 . is no name"),
            ("192.0.2.1 a\n192.0.2.1\t\tb..c d", "2:12 b..c is no name"), ("::1 é", "1:5 é is no name"),
            ("é", "1:1 é is no address; a line is an address and then its names"), ("::1 \\999", "1:5 \\999 is no name"),
        ])
    func faults(_ text: String, _ fault: String) {
        for text in [text, text.replacing("\n", with: "\r\n") + "\r\n"] {
            var writer = HostsWriter()
            #expect(writer.read(text).first.map { "\($0.line):\($0.column) \($0.reason)" } == [fault])
        }
    }

    @Test("names with escapes, names in any case, and lines without an end are read")
    func forms() {
        var writer = HostsWriter(ttl: 5)
        #expect(writer.read("::1 a\\.b.C.example. A\\.B.c.example#x\n# no\n\n\t \n192.0.2.1 A\\.b.c.example").isEmpty)
        #expect(
            writer.finished().records.map(\.description) == [
                "a\\.b.c.example. 5 IN A 192.0.2.1", "a\\.b.c.example. 5 IN AAAA ::1",
                "\(DomainName(reversing: .v6(.loopback))) 5 IN PTR a\\.b.C.example.",
                "1.2.0.192.in-addr.arpa. 5 IN PTR A\\.b.c.example.",
            ])
    }

    @Test("of thousands of mistakes the first ten are told, and how many more there are", arguments: ["hosts", "text", "zone"])
    func manyFaults(_ place: String) throws {
        let lines = (1...3000).map { place == "zone" ? "a A 192.0.2" : "host-\($0) a" }
        let (document, wanted): (String, (Int) -> String)
        switch place {
        case "hosts":
            (document, wanted) = ("hosts:\n  file: /f\n", { "names.yaml:2:9: hosts.file: /f:\($0):1: " })
        case "text":
            let block = lines.map { "    \($0)\n" }.joined()
            (document, wanted) = ("hosts:\n  text: |\n\(block)", { "names.yaml:\($0 + 2):5: hosts.text: " })
        default:
            (document, wanted) = ("zones: [{name: z, file: /f}]", { "names.yaml:1:25: zones[0].file: /f:\($0):5: " })
        }
        do {
            _ = try NameServerConfiguration(document) { _ in .text(lines.joined(separator: "\n")) }
            Issue.record("it is taken")
        } catch {
            #expect(error.mistakes.count == 11)
            for (index, mistake) in error.mistakes.enumerated() {
                #expect(mistake.description.hasPrefix(wanted(index + 1)), "\(mistake)")
            }
            #expect(error.mistakes.last?.description == "\(wanted(11))2990 more mistakes from here on")
        }
    }

    @Test("of a document's own many mistakes the first thirty are told, in their order")
    func manyEntries() {
        let entries = (1...500).map { "    h\($0).example: none\n" }.joined()
        do {
            _ = try NameServerConfiguration("hosts:\n  entries:\n\(entries)")
            Issue.record("it is taken")
        } catch {
            #expect(error.mistakes.map(\.line) == Array(3...33))
            #expect(error.mistakes.last?.description == "names.yaml:33:18: 470 more mistakes from here on")
        }
    }
}
