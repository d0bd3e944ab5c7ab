import Addressing
import DNS
import Testing

@Suite("zones against slow obvious ones")
struct ZoneTests {
    /// Sources come, change and go in zones of few names, so that everything collides: aliases with data, wildcards with names,
    /// cuts with what is below them. After each step every name is asked for.
    @Test("a zone answers as the rules read, whatever changed in it and in what order", arguments: 0..<12)
    func likeTheRules(_ round: Int) throws {
        let seed = UInt64.random(in: 0...(.max))
        var dice = SeededDice(seed)
        let apexes = try ["z", "in.z", "y"].map { try #require(DomainName($0)) }
        var asking = Asking(try Zone.sample("z"), try Zone.sample("in.z"), try Zone.sample("y"))
        var given: [DomainName: [String: [Record]]] = [:]
        for step in 0..<25 {
            let apex = apexes[dice.below(3)]
            let source = "source \(dice.below(4))"
            let records = dice.chance(4) ? [] : (0..<dice.below(6)).map { _ in record(under: apex, &dice) }
            given[apex, default: [:]][source] = records
            asking.zones[apex]?.replace(source, with: ZoneContent(records))
            let slow = SlowZones(zones: apexes.map { apex in content(apex, given[apex] ?? [:], asking) })
            for question in questions() {
                let lines = try normal(asking, question)
                #expect(lines == slow.lines(question), "seed \(seed) step \(step): \(question)")
            }
        }
        // The way there leaves no trace: zones made afresh are the same.
        for apex in apexes {
            var fresh = try Zone.sample(apex.description)
            for (source, records) in (given[apex] ?? [:]).shuffled(using: &dice) {
                fresh.replace(source, with: ZoneContent(records))
            }
            let zone = try #require(asking.zones[apex])
            #expect(fresh.records.map(\.description) == zone.records.map(\.description), "seed \(seed)")
            #expect(fresh.nameCount == zone.nameCount, "seed \(seed)")
        }
    }

    private func record(under apex: DomainName, _ dice: inout SeededDice) -> Record {
        func name() -> DomainName {
            var name = apex
            for _ in 0..<(1 + dice.below(3)) { name = name.child(["a", "b", "*", "C"][dice.below(4)]) ?? name }
            return name
        }
        let data: RecordData
        switch dice.below(12) {
        case 0: data = .cname(DomainName(["a.z", "b.a.z", "a.in.z", "a.y", "out.example"][dice.below(5)]) ?? .root)
        case 1: data = .ns(DomainName("ns.example") ?? .root)
        case 2: data = .opaque(.ds, [UInt8(dice.below(3))])
        case 3: data = .text("\(dice.below(3))")
        default: data = .a(IPv4Address(192, 0, 2, UInt8(dice.below(3))))
        }
        return Record(name(), data, ttl: TimeToLive(seconds: UInt32(5 + dice.below(2))))
    }

    /// Every name of up to three labels under each apex, and some outside.
    private func questions() -> [Question] {
        var names: [DomainName] = [.root, DomainName("x.example") ?? .root]
        for apex in ["z", "y", "in.z"] {
            var level = [DomainName(apex) ?? .root]
            for _ in 0..<3 {
                names += level
                level = level.flatMap { name in ["A", "b", "*", "d"].compactMap { name.child($0) } }
            }
        }
        return names.flatMap { name in [RecordType.a, .cname, .ds, .ns].map { Question(name, $0) } }
    }

    private func content(_ apex: DomainName, _ given: [String: [Record]], _ asking: Asking) -> SlowZones.Content {
        var own: [Record] = []
        if let zone = asking.zones[apex] { own = zone.records.filter { $0.name == apex } }
        // Of several aliases the first source's first counts.
        var aliases: [DomainName: Record] = [:]
        var records: [Record] = []
        for (_, shares) in given.sorted(by: { $0.key < $1.key }) {
            for record in shares {
                if record.type == .cname {
                    if aliases[record.name] == nil {
                        let ttls = shares.filter { $0.name == record.name && $0.type == .cname }.map(\.ttl)
                        aliases[record.name] = Record(record.name, record.data, ttl: ttls.min() ?? record.ttl)
                    }
                } else {
                    records.append(record)
                }
            }
        }
        return SlowZones.Content(apex: apex, records: own + records + aliases.values)
    }

    private func normal(_ asking: Asking, _ question: Question) throws -> [String] {
        let reply = try asking.reply(.query(question, id: 1))
        let servers = reply.authorities.map { "~ \($0)" }.sorted()
        // Addresses come in the order of the sources; the rules know none.
        let (aliases, data) = (reply.answers.filter { $0.type == .cname }, reply.answers.filter { $0.type != .cname })
        return ["\(reply.responseCode)"] + aliases.map { "= \($0)" } + data.map { "= \($0)" }.sorted() + servers
    }
}

@Suite("changing zones")
struct ZoneChangeTests {
    private let name: (String) throws -> DomainName = { try #require(DomainName($0)) }

    @Test("what a zone cannot hold is given back and the rest is there")
    func leftOut() throws {
        var zone = try Zone.sample("z")
        let good = Record(try name("a.Z"), .text("here"))
        let bad = [
            Record(try name("a.zz"), .text("another zone")),
            Record(try name("."), .text("above")),
            Record(try name("a.z"), .text("another class"), recordClass: .chaos),
            Record(try name("a.z"), .opaque(.any, [])),
            Record(try name("a.z"), .opaque(.opt, [])),
            Record(try name("a.z"), .opaque(.mx, [])),
            Record(try name("a.z"), .opaque(.ns, [63])),
            Record(try name("a.z"), .opaque(.cname, [255])),
            Record(try name("a.z"), .opaque(.srv, [0, 0, 0, 0, 0, 80])),
            Record(try name("a.z"), .opaque(.a, [10, 0, 0, 1, 0])),
            Record(try name("a.z"), .txt([Array(repeating: 0, count: 256)])),
            Record(try name("a.z"), .opaque(RecordType(rawValue: 99), Array(repeating: 0, count: 65536))),
        ]
        let before = zone.nameCount
        #expect(zone.replace("s", with: ZoneContent(bad.prefix(3) + [good] + bad.dropFirst(3))) == bad)
        #expect(zone.nameCount == before + 1)
        // Asked again the same, it says the same, and has what it could hold.
        #expect(zone.replace("s", with: ZoneContent(bad + [good])) == bad)
        #expect(zone.content("s") == [good])
        #expect(try Asking(zone).lines("a.z TXT") == ["NOERROR", "= a.z. 5 IN TXT \"here\""])
    }

    @Test("two sources share a name, and each takes away only its own")
    func shared() throws {
        var zone = try Zone.sample("z")
        let same = Record(try name("a.z"), .a(IPv4Address(192, 0, 2, 1)), ttl: 30)
        zone.replace("one", with: [same])
        zone.replace("two", with: [same, Record(try name("a.z"), .a(IPv4Address(192, 0, 2, 2)), ttl: 5)])
        let both = ["= a.z. 5 IN A 192.0.2.1", "= a.z. 5 IN A 192.0.2.2"]
        #expect(try Asking(zone).lines("a.z A") == ["NOERROR"] + both)
        zone.remove("two")
        #expect(try Asking(zone).lines("a.z A") == ["NOERROR", "= a.z. 30 IN A 192.0.2.1"])
        zone.remove("two")
        zone.remove("one")
        #expect(try Asking(zone).reply("a.z A").responseCode == .nameError && zone.content("one") == nil)
    }

    @Test("a zone that is answered from stays as it was while the next is made")
    func values() throws {
        var asking = Asking(try Zone.sample("z", "a A 192.0.2.1"))
        let before = asking
        let apex = try name("z")
        asking.zones[apex]?.replace("sample", with: [Record(try name("b.z"), .text("x"))])
        #expect(try before.lines("a.z A").count == 2 && before.reply("b.z TXT").responseCode == .nameError)
        #expect(try asking.lines("b.z TXT").count == 2 && asking.reply("a.z A").responseCode == .nameError)
        asking.zones[apex] = nil
        #expect(try asking.reply("b.z TXT").responseCode == .refused && asking.zones.count == 0)
        #expect(try before.reply("a.z A").responseCode == .noError)
    }

    @Test("another serial is in the zone's record and in what is denied")
    func authority() throws {
        var zone = try Zone.sample("z")
        let server = try name("ns.z")
        zone.setAuthority(
            StartOfAuthority(primary: server, mailbox: server, serial: 8, minimum: 60), nameServers: [server], ttl: 10)
        let soa = "SOA ns.z. ns.z. 8 7200 1800 86400 60"
        #expect(try Asking(zone).lines("z SOA") == ["NOERROR", "= z. 10 IN \(soa)"])
        // No longer than the lesser of the record's TTL and its minimum.
        #expect(try Asking(zone).lines("a.z A") == ["NXDOMAIN", "~ z. 10 IN \(soa)"])
    }

    @Test("the zone of a name is the one with the longest apex")
    func longest() throws {
        let zones = Zones([try Zone.sample("z"), try Zone.sample("a.z"), try Zone.sample("c.b.a.z")])
        for (asked, apex) in [("Z", "z."), ("x.z", "z."), ("A.z", "a.z."), ("b.a.z", "a.z."), ("x.c.b.a.z", "c.b.a.z.")] {
            #expect(try zones.zone(of: name(asked))?.apex.description == apex)
        }
        #expect(zones.zone(of: .root) == nil)
        #expect(try zones.zone(of: name("az")) == nil)
        #expect(zones.all.map(\.apex.description) == ["z.", "a.z.", "c.b.a.z."])
    }

    @Test("zones come, go and are found at every depth, the root's too")
    func anyDepth() throws {
        var zones = Zones()
        var model: [DomainName: UInt32] = [:]
        var dice = SeededDice(UInt64.random(in: 0...(.max)))
        let apexes = try [".", "z", "y", "a.z", "b.z", "d.c.b.z", "e.d.c.b.z", "A.y", "x.x.x.x.x.x.x.x"].map(name)
        for step in 0..<400 as Range<UInt32> {
            let apex = apexes[dice.below(apexes.count)]
            let zone = Zone(
                dice.chance(2) ? apex : apex.lowercase,
                authority: StartOfAuthority(primary: apex, mailbox: apex, serial: step, minimum: 5), nameServers: [apex],
                passesOn: dice.chance(2))
            switch dice.below(4) {
            case 0: (zones[apex], model[apex]) = (nil, nil)
            case 1:
                zones.remove([apex])
                model[apex] = nil
            case 2:
                zones.set([zone])
                model[apex] = step
            default:
                zones.set(zone)
                model[apex] = step
            }
            #expect(zones.count == model.count && Set(zones.all.map(\.apex)) == Set(model.keys))
            #expect(zones.closedApexes == zones.all.filter { !$0.passesOn }.map(\.apex))
            for asked in apexes {
                #expect(zones[asked].flatMap(serial) == model[asked])
                let home = model.keys.filter { asked.isInside($0) }.max { $0.labelCount < $1.labelCount }
                #expect(zones.zone(of: asked)?.apex == home)
            }
        }
    }

    private func serial(_ zone: Zone) -> UInt32? {
        zone.records.lazy.compactMap { if case .soa(let soa) = $0.data { soa.serial } else { nil } }.first
    }

    @Test("children that come and go with one word leave their parents as they are")
    func families() throws {
        var zone = try Zone.sample("z")
        let before = zone.nameCount
        func content(_ labels: [String]) throws -> ZoneContent {
            ZoneContent(try labels.map { Record(try name("\($0).p.q.z"), .text($0)) })
        }
        zone.replace("s", with: try content(["a", "b"]))
        #expect(zone.nameCount == before + 4)
        zone.replace("s", with: try content(["c", "b"]))
        #expect(zone.nameCount == before + 4)
        #expect(try Asking(zone).lines("p.q.z TXT")[0] == "NOERROR")
        // Another's record at the parent goes in the same breath as the last child.
        zone.replace("t", with: [Record(try name("p.q.z"), .text("p"))])
        zone.replace("s", with: [])
        #expect(zone.nameCount == before + 2)
        zone.replace("t", with: try content(["d"]))
        #expect(zone.nameCount == before + 3)
        zone.replace("t", with: [Record(try name("p.q.z"), .text("p"))])
        #expect(zone.nameCount == before + 2)
        zone.remove("t")
        #expect(zone.nameCount == before)
        #expect(try Asking(zone).lines("p.q.z TXT")[0] == "NXDOMAIN")
    }

    @Test("labels that write an address answer with it only where that was asked for, and a real name is stronger")
    func dashed() throws {
        var zone = try Zone.sample("z", "192-0-2-1.pods A 10.0.0.1\n192-0-2-9.x.pods A 10.0.0.9")
        let pods = try name("pods.z")
        zone.replace("pods", with: ZoneContent(dashedAddresses: [pods: 7]))
        let asking = Asking(zone)
        #expect(try asking.lines("192-0-2-1.pods.z A") == ["NOERROR", "= 192-0-2-1.pods.z. 5 IN A 10.0.0.1"])
        #expect(try asking.lines("192-0-2-2.PODS.z A") == ["NOERROR", "= 192-0-2-2.PODS.z. 7 IN A 192.0.2.2"])
        #expect(try asking.lines("192-0-2-2.pods.z ANY").count == 2)
        #expect(try asking.reply("192-0-2-2.x.pods.z A").responseCode == .nameError)
        #expect(try asking.reply("192-0-2-2.z A").responseCode == .nameError)
        zone.remove("pods")
        #expect(try Asking(zone).reply("192-0-2-2.pods.z A").responseCode == .nameError)
    }

    @Test("a name may exist with nothing of its own, as long as somebody says so or something is below it")
    func empty() throws {
        var zone = try Zone.sample("z", "a A 10.0.0.1")
        let (count, space) = (zone.nameCount, try name("space.z"))
        let content = ZoneContent([], emptyNames: [space])
        zone.replace("space", with: ZoneContent([], emptyNames: [space, try name("space.example")]))
        #expect(zone.content("space") == content && zone.nameCount == count + 1)
        for type in ["A", "TXT", "ANY", "MX"] {
            let reply = try Asking(zone).reply("space.z \(type)")
            #expect(reply.responseCode == .noError && reply.answers.isEmpty && reply.authorities.count == 1, "\(type)")
        }
        #expect(try Asking(zone).reply("x.space.z A").responseCode == .nameError)
        // Records of another at the same name and below it come and go beside it.
        zone.replace("web", with: [Record(try name("web.space.z"), .text("here")), Record(space, .text("there"))])
        #expect(try Asking(zone).reply("space.z TXT").answers.count == 1)
        zone.remove("space")
        #expect(try Asking(zone).reply("space.z A").responseCode == .noError)
        zone.replace("space", with: content)
        zone.remove("web")
        #expect(try Asking(zone).reply("space.z TXT").answers.isEmpty && zone.nameCount == count + 1)
        zone.remove("space")
        #expect(try Asking(zone).reply("space.z A").responseCode == .nameError && zone.nameCount == count)
    }
}
