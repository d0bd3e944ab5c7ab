import Addressing
import HostNetwork
import Testing

extension Clause {
    static let neighbours = [
        Clause("neighbours and those answered for stand as they were added, change and go") { stage in
            try stage.node.accept(.add(veth("a", peer: "b")))
            for text in ["192.0.2.2", "2001:db8::2", "fe80::1"] {
                let one = Object.neighbour(Neighbour(try ip(text), on: "a", .mac(mac(2))))
                let other = Object.neighbour(Neighbour(try ip(text), on: "a", .mac(mac(3))))
                try stage.node.refuse(.remove(one), .noSuchObject)
                try stage.node.accept(.add(one))
                try stage.node.refuse(.add(other), .exists)
                try stage.node.accept(.change(from: one, to: other))
                try stage.node.accept(.add(.neighbour(Neighbour(try ip(text), on: "a", .proxy))))
            }
            try stage.node.accept(.remove(.neighbour(Neighbour(try ip("192.0.2.2"), on: "a", .mac(mac(3))))))
            try stage.node.accept(.remove(.neighbour(Neighbour(try ip("2001:db8::2"), on: "a", .proxy))))
            try stage.node.refuse(.remove(.neighbour(Neighbour(try ip("2001:db8::2"), on: "a", .proxy))), .noSuchObject)
            try expect(
                stage.node.text(without: ["lo", "a", "b"]),
                is: """
                    neighbour 192.0.2.2 proxy dev a
                    neighbour 2001:db8::2 mac 02:00:00:00:00:03 dev a
                    neighbour fe80::1 mac 02:00:00:00:00:03 dev a
                    neighbour fe80::1 proxy dev a

                    """)
        },
        Clause("of some links, only they and what stands on them are seen, few or many; of neighbours those on some links") {
            stage in
            let names = (1...12).map { "a\($0)" }
            for name in names {
                try stage.node.accept(
                    .add(veth(name, peer: "b" + name)), .add(.neighbour(Neighbour(try ip("192.0.2.2"), on: name, .mac(mac(2))))),
                    .add(try route("198.51.100.\(name.dropFirst())/32", dev: name)))
            }
            for wanted in [[], ["a3"], ["a3", "a7", "none"], names] {
                let seen = try stage.node.observe(Interest([.neighbours, .routes], links: Set(wanted)))
                let there = wanted.filter { $0 != "none" }.sorted()
                #expect(seen.links.map(\.name).sorted() == there)
                #expect(seen.routes.compactMap(\.device).sorted() == there)
                #expect(
                    seen.objects.values.compactMap { if case .neighbour(let one) = $0 { one.link } else { nil } }.sorted()
                        == there)
            }
            let some = try stage.node.observe(Interest([.neighbours], neighbourLinks: ["a2", "a5"]))
            #expect(some.links.count >= 25)
            #expect(
                some.objects.values.compactMap { if case .neighbour(let one) = $0 { one.link } else { nil } }.sorted() == [
                    "a2", "a5",
                ])
        },
        Clause("forwarding entries stand as they were added; only the zero MAC has several destinations") { stage in
            try stage.node.accept(.add(vxlan("v")), .add(veth("a", peer: "b")))
            let one = Object.forwarding(Forwarding(mac(3), on: "v", to: try ip("192.0.2.3")))
            let other = Object.forwarding(Forwarding(mac(3), on: "v", to: try ip("192.0.2.4")))
            try stage.node.refuse(.remove(one), .noSuchObject)
            try stage.node.accept(.add(one))
            try stage.node.refuse(.add(one), .exists)
            try stage.node.accept(.change(from: one, to: other))
            for text in ["192.0.2.5", "192.0.2.6"] {
                try stage.node.accept(.add(.forwarding(Forwarding(.zero, on: "v", to: try ip(text)))))
            }
            try stage.node.accept(.remove(.forwarding(Forwarding(.zero, on: "v", to: try ip("192.0.2.5")))))
            try stage.node.refuse(
                .add(.forwarding(Forwarding(mac(3), on: "none", to: try ip("192.0.2.3")))), .noSuchDevice)
            try expect(
                stage.node.text(without: ["lo", "a", "b", "v"]),
                is: """
                    forwarding 00:00:00:00:00:00 dev v to 192.0.2.6
                    forwarding 02:00:00:00:00:03 dev v to 192.0.2.4

                    """)
        },
        Clause("settings are written in the namespace they belong to") { stage in
            let path = "net/ipv4/conf/a/forwarding"
            try stage.node.refuse(.add(.sysctl(Sysctl(path, "1"))), .noSuchObject)
            try stage.node.accept(.add(veth("a", peer: "b")), .add(.sysctl(Sysctl(path, "1"))))
            try expect(
                stage.node.text(sysctls: [path], without: ["lo", "a", "b"]), is: "sysctl net/ipv4/conf/a/forwarding = 1\n")
            try stage.node.accept(.remove(veth("a", peer: "b")))
            try expect(stage.node.text(sysctls: [path]), is: "")
        },
    ]
}
