import Addressing
import HostNetwork
import Testing

extension Clause {
    /// A link with an address of each family.
    private static func withLink(_ stage: Stage) throws {
        try stage.node.accept(
            .add(veth("a", peer: "b")), .add(try address("192.0.2.1/24", on: "a")), .add(try address("2001:db8::1/64", on: "a")))
    }

    private static let hidden: Set<String> = ["lo", "a", "b"]

    private static func routes(_ stage: Stage) throws -> String {
        let state = try stage.node.observe(Interest([.routes]))
        return state.filter { if case .route = $0 { true } else { false } }.description
    }

    static let routes = [
        Clause("routes of every form stand as they were added") { stage in
            try withLink(stage)
            let lines = [
                try route("198.51.100.0/24", via: "192.0.2.2", dev: "a", src: "192.0.2.1"),
                try route("198.51.101.0/24", via: "203.0.113.1", dev: "a", onlink: true),
                try route("198.51.102.1/32", dev: "a"),
                try route("198.51.103.0/24", dev: "a", table: 1000, metric: 7, mtu: 1300),
                try route("198.51.104.0/24", .blackhole), try route("198.51.105.0/24", .unreachable),
                try route("198.51.106.1/32", .local, dev: "a"),
                try route("198.51.107.0/24", via: "fe80::1", dev: "a"),
                try route("0.0.0.0/0", via: "192.0.2.2", dev: "a"),
                try route("2001:db8:1::/64", via: "2001:db8::2", dev: "a", src: "2001:db8::1"),
                try route("2001:db8:2::/64", via: "2001:db8:ffff::1", dev: "a", onlink: true),
                try route("2001:db8:3::1/128", dev: "a"),
                try route("2001:db8:4::/64", dev: "a", table: 1000, metric: 7, mtu: 1300),
                try route("2001:db8:5::/64", .blackhole), try route("2001:db8:6::/64", .unreachable),
                try route("::/0", via: "fe80::1", dev: "a"),
            ]
            #expect(try stage.node.apply(lines.map(Change.add)).map(\.description) == [])
            try expect(routes(stage), is: State(lines).description)
        },
        Clause("a route of another protocol is not removed in place of ours, and one protocol's or table's can be asked for") {
            stage in
            try withLink(stage)
            let foreign = [
                try route("198.51.100.0/24", .blackhole, proto: 4), try route("2001:db8:1::/64", .blackhole, proto: 4),
                try route("198.51.101.0/24", dev: "a", table: 1000), try route("2001:db8:2::/64", dev: "a", table: 1000),
            ]
            let ours = [try route("198.51.102.0/24", dev: "a"), try route("2001:db8:3::/64", dev: "a")]
            for object in foreign + ours { try stage.node.accept(.add(object)) }
            for object in [try route("198.51.100.0/24", .blackhole), try route("2001:db8:1::/64", .blackhole)] {
                try stage.node.refuse(.remove(object), .noSuchEntry)
            }
            func seen(_ protocols: Set<UInt8>?, _ tables: Set<UInt32>?, links: Set<String>? = nil) throws -> State {
                try stage.node.observe(
                    Interest([.routes], links: links, routeProtocols: protocols, routeTables: tables)
                ).filter { if case .route = $0 { true } else { false } }
            }
            #expect(try seen(nil, nil) == State(foreign + ours))
            #expect(try seen([84], [Route.mainTable]) == State(ours))
            #expect(try seen([84], nil) == State(foreign[2...] + ours))
            #expect(try seen([4, 84], [Route.mainTable]) == State(foreign[..<2] + ours))
            #expect(try seen([84], [77]) == State())
            #expect(try seen([84], [Route.mainTable], links: ["a"]) == State(ours))
            #expect(try seen([84], [Route.mainTable], links: ["b", "no"]) == State())
        },
        Clause("one prefix can have routes of several metrics and tables") { stage in
            try withLink(stage)
            for prefix in ["198.51.100.0/24", "2001:db8:1::/64"] {
                try stage.node.accept(
                    .add(try route(prefix, dev: "a", metric: 10)), .add(try route(prefix, dev: "a", metric: 20)),
                    .add(try route(prefix, dev: "a", table: 7, metric: 10)))
                try stage.node.accept(.remove(try route(prefix, dev: "a", metric: 10)))
            }
            try expect(
                routes(stage),
                is: """
                    route 198.51.100.0/24 dev a table 7 proto 84 scope link metric 10
                    route 2001:db8:1::/64 dev a table 7 proto 84 metric 10
                    route 198.51.100.0/24 dev a proto 84 scope link metric 20
                    route 2001:db8:1::/64 dev a proto 84 metric 20

                    """)
        },
        Clause("a route is refused twice, over no link, over a link that is down, and when it is to go and is not there") {
            stage in
            try withLink(stage)
            for prefix in ["198.51.100.0/24", "2001:db8:1::/64"] {
                try stage.node.refuse(.remove(try route(prefix, dev: "a")), .noSuchEntry)
                try stage.node.accept(.add(try route(prefix, dev: "a")))
                try stage.node.refuse(.add(try route(prefix, dev: "a")), .exists)
                try stage.node.refuse(.add(try route(prefix, dev: "b", metric: 5)), .networkDown)
                try stage.node.refuse(.add(try route(prefix, dev: "none")), .noSuchDevice)
                try stage.node.refuse(.remove(try route(prefix, dev: "none")), .noSuchDevice)
            }
        },
        Clause("a gateway must be on the link, and a source address the node's own") { stage in
            try withLink(stage)
            try stage.node.refuse(
                .add(try route("198.51.100.0/24", via: "203.0.113.1", dev: "a")), .networkUnreachable)
            try stage.node.refuse(
                .add(try route("2001:db8:1::/64", via: "2001:db8:ffff::1", dev: "a")), .hostUnreachable)
            try stage.node.refuse(.add(try route("198.51.100.0/24", dev: "a", src: "203.0.113.1")), .invalid)
            try stage.node.refuse(.add(try route("2001:db8:1::/64", dev: "a", src: "2001:db8:ffff::1")), .invalid)
            try expect(routes(stage), is: "")
        },
        Clause("a gateway reached by a route over the link is on the link") { stage in
            try withLink(stage)
            try stage.node.accept(
                .add(try route("203.0.113.1/32", dev: "a")), .add(try route("198.51.100.0/24", via: "203.0.113.1", dev: "a")))
        },
        Clause("a gateway without a link is looked up") { stage in
            try withLink(stage)
            try stage.node.accept(
                .add(try route("198.51.100.0/24", via: "192.0.2.2")), .add(try route("2001:db8:1::/64", via: "2001:db8::2")))
            try expect(
                routes(stage),
                is: """
                    route 198.51.100.0/24 via 192.0.2.2 dev a proto 84
                    route 2001:db8:1::/64 via 2001:db8::2 dev a proto 84

                    """)
        },
        Clause("a route can become any other with the same key") { stage in
            try withLink(stage)
            for (prefix, gateway) in [("198.51.100.0/24", "192.0.2.2"), ("2001:db8:1::/64", "2001:db8::2")] {
                let forms = [
                    try route(prefix, via: gateway, dev: "a"), try route(prefix, dev: "a"), try route(prefix, .blackhole),
                    try route(prefix, via: gateway, dev: "a", mtu: 1300),
                ]
                try stage.node.accept(.add(forms[0]))
                for (old, new) in zip(forms, forms.dropFirst()) { try stage.node.accept(.change(from: old, to: new)) }
                #expect(try stage.node.observe(Interest())[forms[0].key] == forms[3])
            }
            #expect(try routes(stage).split(separator: "\n").count == 2)
        },
    ]

    static let rules = [
        Clause("rules stand as they were added, and the three of every namespace are not shown") { stage in
            let lines: [Object] = [
                .rule(
                    Rule(.v4, priority: 100, from: try net("192.0.2.0/24"), to: try net("198.51.100.0/24"), table: 7, proto: 84)),
                .rule(Rule(.v4, priority: 101, mark: Rule.Mark(0x10, mask: 0xF0), table: 1000, proto: 84)),
                .rule(Rule(.v6, priority: 101, mark: Rule.Mark(1), incoming: "eth9", table: 7, proto: 84)),
                .rule(Rule(.v6, priority: 102, from: try net("2001:db8::/32"), table: 7, proto: 84)),
            ]
            #expect(try stage.node.apply(lines.map(Change.add)).map(\.description) == [])
            try expect(stage.node.text(), is: State(lines).description)
        },
        Clause("a rule is refused twice, and when it is to go and is not there") { stage in
            for family in IPFamily.allCases {
                let rule = Object.rule(Rule(family, priority: 100, table: 7, proto: 84))
                try stage.node.refuse(.remove(rule), .noSuchObject)
                try stage.node.accept(.add(rule))
                try stage.node.refuse(.add(rule), .exists)
                try stage.node.accept(.remove(rule))
            }
            try expect(stage.node.text(), is: "")
        },
    ]
}
