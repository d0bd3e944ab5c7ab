import Addressing
import DNS
import Glibc

/// Messages of every kind to begin with, and the zones that queries are answered from.
enum Seeds {
    private static func name(_ text: String) -> DomainName {
        guard let name = DomainName(text) else { fatalError("\(text) is no name") }
        return name
    }

    static func zones() -> Zones {
        let server = name("ns.dns.cluster.local")
        let authority = StartOfAuthority(primary: server, mailbox: name("hostmaster.cluster.local"), serial: 1)
        var cluster = Zone(name("cluster.local"), authority: authority, nameServers: [server])
        cluster.replace("all", with: ZoneContent(records, dashedAddresses: [name("shop.pod.cluster.local"): 5]))
        // With a cut, a wildcard and an alias of itself, which a cluster has not.
        var custom = Zone(name("example.test"), authority: authority, nameServers: [server], passesOn: true)
        custom.replace(
            "all",
            with: [
                Record(name("*.wild.example.test"), .text("any")),
                Record(name("below.example.test"), .ns(name("ns.below.example.test"))),
                Record(name("ns.below.example.test"), .a(IPv4Address(rawValue: 0xC000_0201))),
                Record(name("ring.example.test"), .cname(name("ring.example.test"))),
            ])
        return Zones([cluster, custom])
    }

    private static var records: [Record] {
        let web = name("web.shop.svc.cluster.local")
        var records = [
            Record(web, .a(IPv4Address(rawValue: 0xC000_0201))), Record(web, .aaaa(.loopback)), Record(web, .text("hello")),
            Record(web, .mx(MailExchange(preference: 1, exchange: web))),
            Record(name("ext.shop.svc.cluster.local"), .cname(name("far.example.org"))),
            Record(name("own.shop.svc.cluster.local"), .cname(web)),
            Record(web, .opaque(RecordType(rawValue: 65_280), [1, 2, 3])),
        ]
        for number in 0..<60 {
            let pod = name("pod-\(number).many.shop.svc.cluster.local")
            records.append(Record(pod, .a(IPv4Address(rawValue: 0x0A00_0000 | UInt32(number)))))
            records.append(
                Record(name("_http._tcp.many.shop.svc.cluster.local"), .srv(ServiceLocation(port: 80, target: pod))))
        }
        return records
    }

    private static var messages: [[UInt8]] {
        let names = [
            "web.shop.svc.cluster.local", "_http._tcp.many.shop.svc.cluster.local", "ext.shop.svc.cluster.local",
            "own.shop.svc.cluster.local", "192-0-2-1.shop.pod.cluster.local", "no.cluster.local", "example.org",
            "a.wild.example.test", "a.below.example.test", "ring.example.test", ".",
        ].map(name)
        let types: [RecordType] = [.a, .aaaa, .srv, .txt, .any, .soa, .ns, .axfr, .ptr]
        let extension_ = EDNS(options: [.padding(3), .extendedError(.other), EDNS.Option(.cookie, Array(0..<8))])
        var all: [[UInt8]] = []
        for (index, name) in names.enumerated() {
            for type in types {
                let edns = (index + Int(type.rawValue)) % 2 == 0 ? extension_ : nil
                all.append(Message.query(Question(name, type), id: 7, edns: edns).bytes())
            }
        }
        // Answers, for reading and as what is no query; and a stream of two queries.
        for query in all.prefix(40) {
            var answering = Answering()
            all.append(answering.answer(query, from: zones(), Circumstances(.tcp)).1)
        }
        all.append([all[0], all[1]].compactMap { StreamFraming.framed($0) }.flatMap { $0 })
        return all
    }

    static func write(to directory: String) {
        for (number, bytes) in messages.enumerated() {
            let file = open("\(directory)/seed-\(number)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
            guard file >= 0, Glibc.write(file, bytes, bytes.count) == bytes.count else {
                fatalError("write a seed: errno \(errno)")
            }
            close(file)
        }
    }
}
