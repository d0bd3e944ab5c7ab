import Addressing
import DNS
import Testing

@testable import NameServer

@Suite("the search list, collapsed", .timeLimit(.minutes(5)))
struct ServingSearchTests {
    @Test(
        "the course is the rest of the list, and the name as it was meant",
        arguments: [
            (
                "example.org.shop.svc.cluster.local", ServingStage.searchList,
                ["example.org.svc.cluster.local.", "example.org.cluster.local.", "example.org.corp.example.", "example.org."]
            ),
            (
                "Web.Other.SHOP.svc.cluster.local", Array(ServingStage.searchList.prefix(2)),
                ["Web.Other.svc.cluster.local.", "Web.Other."]
            ),
            // Only the first entry begins a course.
            ("web.svc.cluster.local", ServingStage.searchList, nil),
            ("shop.svc.cluster.local", ServingStage.searchList, nil),
            ("example.org", ServingStage.searchList, nil),
            ("example.org", [], nil),
            // A list of one entry, one with the root, one with an entry twice.
            ("a.b.cluster.local", [name("cluster.local")], ["a.b."]),
            ("a.b.cluster.local", [name("cluster.local"), .root], ["a.b.", "a.b."]),
            ("a.cluster.local", [name("cluster.local"), name("cluster.local"), name("test")], ["a.test.", "a."]),
        ] as [(String, [DomainName], [String]?)])
    func course(_ asked: String, _ list: [DomainName], _ steps: [String]?) {
        var course = SearchCourse(name(asked), list)
        var found: [String] = []
        while let step = course?.next() { found.append("\(step)") }
        #expect((course == nil ? nil : found) == steps)
    }

    @Test("a step that would be longer than a name may be is left out")
    func long() {
        let label = String(repeating: "a", count: 60)
        let asked = name("\(label).\(label).\(label).x")
        let list = [name("x"), name("\(label).\(label)"), name("y")]
        var course = SearchCourse(asked, list)
        #expect(course?.next() == name("\(label).\(label).\(label).y"))
    }

    private static let clients = ClientNames([
        .v4(.loopback): .init("shop/web", searchList: ServingStage.searchList),
        .v6(.loopback): .init("shop/plain"),
    ])

    private static let outside: [String: OutsideAnswer] = [
        "example.org": TableOfNames.address("example.org", "198.51.100.1"),
        "far.example.org": TableOfNames.address("far.example.org", "198.51.100.2"),
        "intra.corp.example": TableOfNames.address("intra.corp.example", "198.51.100.3"),
        "sick.corp.example": OutsideAnswer(.serverFailure),
        "web.shop": OutsideAnswer(.noError),
    ]

    @Test(
        "the first query of a round is answered with the name that exists",
        arguments: [
            // As it is, after three steps of ours and one outside.
            (
                "example.org.shop.svc.cluster.local", .a,
                ["NOERROR", "example.org.shop.svc.cluster.local. 5 IN CNAME example.org.", "example.org. 60 IN A 198.51.100.1"],
                ["example.org.corp.example. IN A", "example.org. IN A"]
            ),
            // Both types lead to one name; it has nothing of this one.
            (
                "example.org.shop.svc.cluster.local", .aaaa,
                ["NOERROR", "example.org.shop.svc.cluster.local. 5 IN CNAME example.org."],
                ["example.org.corp.example. IN AAAA", "example.org. IN AAAA"]
            ),
            // A service of another namespace, by the second entry: nobody outside is asked.
            (
                "web.other.shop.svc.cluster.local", .a,
                [
                    "NOERROR", "web.other.shop.svc.cluster.local. 5 IN CNAME web.other.svc.cluster.local.",
                    "web.other.svc.cluster.local. 5 IN A 192.0.2.3",
                ], []
            ),
            (
                "web.other.shop.svc.cluster.local", .aaaa,
                ["NOERROR", "web.other.shop.svc.cluster.local. 5 IN CNAME web.other.svc.cluster.local.", "~ cluster.local. SOA"],
                []
            ),
            // By the third entry, and by the fourth.
            (
                "redis.shop.svc.cluster.local", .a,
                [
                    "NOERROR", "redis.shop.svc.cluster.local. 5 IN CNAME redis.cluster.local.",
                    "redis.cluster.local. 5 IN A 192.0.2.4",
                ], []
            ),
            (
                "intra.shop.svc.cluster.local", .a,
                [
                    "NOERROR", "intra.shop.svc.cluster.local. 5 IN CNAME intra.corp.example.",
                    "intra.corp.example. 60 IN A 198.51.100.3",
                ], ["intra.corp.example. IN A"]
            ),
            // A name that exists by the first entry is no course, and one that has nothing of the type neither.
            ("web.shop.svc.cluster.local", .a, ["NOERROR", "web.shop.svc.cluster.local. 5 IN A 192.0.2.1"], []),
            ("db.shop.svc.cluster.local", .aaaa, ["NOERROR", "~ cluster.local. SOA"], []),
            // The step is an ExternalName: it exists, whatever is outside.
            (
                "lost.other.shop.svc.cluster.local", .a,
                [
                    "NOERROR", "lost.other.shop.svc.cluster.local. 5 IN CNAME lost.other.svc.cluster.local.",
                    "lost.other.svc.cluster.local. 5 IN CNAME far.example.org.", "far.example.org. 60 IN A 198.51.100.2",
                ], ["far.example.org. IN A"]
            ),
            // Nothing exists: the denial of the first.
            (
                "typo.shop.svc.cluster.local", .a, ["NXDOMAIN", "~ cluster.local. SOA"],
                ["typo.corp.example. IN A", "typo. IN A"]
            ),
            // A step fails: nobody knows, and the client goes on by itself.
            ("sick.shop.svc.cluster.local", .a, ["NXDOMAIN", "~ cluster.local. SOA"], ["sick.corp.example. IN A"]),
            // Later steps of a client that goes on are answered plainly.
            ("example.org.svc.cluster.local", .a, ["NXDOMAIN", "~ cluster.local. SOA"], []),
            ("example.org", .a, ["NOERROR", "example.org. 60 IN A 198.51.100.1"], ["example.org. IN A"]),
        ] as [(String, RecordType, [String], [String])])
    func rounds(_ asked: String, _ type: RecordType, _ answer: [String], _ outside: [String]) throws {
        let table = TableOfNames(Self.outside)
        let stage = try ServingStage(outside: table, clients: Self.clients)
        #expect(try stage.ask(asked, type) == answer)
        #expect(table.asked == outside)
        // Over TCP it is the same.
        var framing = StreamFraming()
        let caller = try Caller(stage.place(), stream: true)
        try caller.send(try #require(StreamFraming.framed(ServingStage.query(asked, type))))
        #expect(try ServingStage.lines(#require(try caller.next(&framing))) == answer)
    }

    @Test("a client without a list, and one that nobody knows, go their rounds themselves")
    func others() throws {
        let table = TableOfNames(Self.outside)
        let stage = try ServingStage(outside: table, clients: Self.clients)
        #expect(try stage.ask("example.org.shop.svc.cluster.local", family: .v6) == ["NXDOMAIN", "~ cluster.local. SOA"])
        stage.server.change { $0.clients = nil }
        #expect(try stage.ask("example.org.shop.svc.cluster.local") == ["NXDOMAIN", "~ cluster.local. SOA"])
        #expect(table.asked.isEmpty)
    }

    @Test("an address that another pod has now goes by the other's list, from its event on")
    func moved() throws {
        let stage = try ServingStage(clients: Self.clients)
        #expect(try stage.ask("redis.shop.svc.cluster.local").count == 3)
        stage.server.change {
            $0.clients?[.v4(.loopback)] = .init(
                "other/app", searchList: [name("other.svc.cluster.local"), name("svc.cluster.local")])
        }
        #expect(try stage.ask("redis.shop.svc.cluster.local") == ["NXDOMAIN", "~ cluster.local. SOA"])
        #expect(
            try stage.ask("web.shop.other.svc.cluster.local") == [
                "NOERROR", "web.shop.other.svc.cluster.local. 5 IN CNAME web.shop.svc.cluster.local.",
                "web.shop.svc.cluster.local. 5 IN A 192.0.2.1",
            ])
    }

    @Test("without anybody to ask outside, only names of the cluster are tried")
    func closed() throws {
        let stage = try ServingStage(clients: Self.clients)
        #expect(try stage.ask("web.other.shop.svc.cluster.local").count == 3)
        #expect(try stage.ask("example.org.shop.svc.cluster.local") == ["NXDOMAIN", "~ cluster.local. SOA"])
        #expect(stage.server.figures.collapsed == 1)
    }
}
