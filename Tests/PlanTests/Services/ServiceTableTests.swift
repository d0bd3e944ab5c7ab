import Addressing
import KubeAPI
import NFTables
import Testing

@testable import Cluster
@testable import Plan

@Suite("the table of services") struct ServiceTableTests {
    @Test("every set has its position")
    func positions() {
        var sets: [ServiceSet?] = Array(repeating: nil, count: ServiceSet.all.count)
        for set in ServiceSet.all { sets[set.position] = set }
        #expect(!sets.contains(nil))
        #expect(Set(ServiceSet.all.map(\.name)).count == ServiceSet.all.count)
    }

    @Test("elements are counted as there are of them", arguments: [false, true])
    func counted(_ isKept: Bool) throws {
        var port = ServicePort.web(to: try [.at("10.244.1.2"), .at("10.244.2.2", on: "n2")]) {
            ($0.nodePort, $0.externalTrafficPolicy, $0.affinity) = (30080, .local, isKept ? .seconds(60) : nil)
            $0.loadBalancerIPs = [IPAddress.v4(IPv4Address(203, 0, 113, 5))]
        }
        port.sourceRanges = try [net("192.0.2.0/24"), net("198.51.100.0/24")]
        port.externalIPs = [try ip("203.0.113.6")]
        for policy in [Service.TrafficPolicy.local, .cluster] {
            port.externalTrafficPolicy = policy
            let served = ServedPort(port, .v4, .n1, after: ([], []))
            var (counted, there): ([ServiceSet: Int], [ServiceSet: Set<Value>]) = ([:], [:])
            for way in served.ways {
                served.countElements(way) { counted[$0, default: 0] += $1 }
                served.elements(way) { set, key, _ in there[set, default: []].insert(key) }
            }
            #expect(counted == there.mapValues(\.count) && counted.count > 5)
        }
    }

    @Test("one service in each family, as people read it")
    func text() throws {
        let port = ServicePort.web(to: try [.at("10.244.1.2"), .at("10.244.2.2", on: "n2"), .at("fd00:10:244:1::2")]) {
            $0.nodePort = 30080
        }
        let four = ServiceTable([port]).table
        #expect(four.sets["services"]?.elements.count == 1 && four.sets["endpoints"]?.elements.count == 2)
        #expect(four.sets["node-ports"]?.elements.count == 1 && four.sets["node-endpoints"]?.elements.count == 2)
        #expect(
            four.chains["lb-2"].map { $0.rules[0].text(in: four) }
                == "dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @endpoints")
        let six = ServiceTable([port], .v6).table
        let client = try ip("2001:db8::9")
        #expect(
            six.answer(.tcp, try ip("fd00:10:96::10"), 80, from: client, inside: false).description == "[fd00:10:244:1::2]:8080")
        #expect(six.answer(.tcp, nil, 30080, from: client, inside: false).description == "[fd00:10:244:1::2]:8080")
        #expect(six.answer(.udp, try ip("fd00:10:96::10"), 80, from: client, inside: true) == .refused)
        #expect(six.answer(.tcp, try ip("fd00:10:96::77"), 80, from: client, inside: true) == .dropped)
        #expect(six.answer(.tcp, try ip("2001:db8::77"), 80, from: client, inside: true) == .untouched)
    }

    @Test(
        "one endpoint more or less costs a handful of elements, as many with ten services as with two thousand",
        arguments: [10, 2000])
    func handful(services: Int) throws {
        let ports = try (0..<services).map { number in
            ServicePort.web("web-\(number)", at: ["10.96.\(number / 250).\(number % 250 + 1)"], to: try endpoints(5))
        }
        var table = ServiceTable(ports)
        var port = ports[services / 2]
        port.endpoints.remove(at: 1)
        // The last one into the hole: its old place goes, its new one changes; and the front's class.
        let removal = table.set([port.name: [port]])
        #expect(removal.changes.elementCount == 5 && !removal.isAnew)
        port.endpoints = try endpoints(5)
        #expect(table.set([port.name: [port]]).changes.elementCount == 3)
        // Another one in its place: nothing else moves.
        port.endpoints[1] = try .at("10.244.3.1", on: "n3")
        #expect(table.set([port.name: [port]]).changes.elementCount == 2)
        #expect(table.set([port.name: [port]]).changes.isEmpty)
        #expect(table.set([port.name: []]).changes.elementCount == 1 + 5 + 1)
    }

    @Test("a chain for a number of endpoints is made when it is first needed, and stays")
    func chains() throws {
        var port = ServicePort.web(to: try endpoints(16))
        var table = ServiceTable([port])
        port.endpoints = try endpoints(17)
        let more = table.set([port.name: [port]])
        #expect(more.changes.first == .addChain(table.id, "lb-17", nil) && more.changes.elementCount == 2 + 3)
        port.endpoints = try endpoints(16)
        #expect(table.set([port.name: [port]]).changes.elementCount == 3)
        port.endpoints = try endpoints(17)
        #expect(table.set([port.name: [port]]).changes.elementCount == 3)
        #expect(table.table.chains["lb-17"] != nil)
    }

    @Test("a map that becomes too small is made anew with room for twice as many, table and all")
    func growth() throws {
        var kernel = MemoryTables()
        var table = ServiceTable([])
        try kernel.settle(table.id, to: table.table)
        var isAnew: [Bool] = []
        for number in 0..<5 {
            let port = ServicePort.web("web-\(number)", at: ["10.96.0.\(number + 1)"], to: try endpoints(300))
            let update = table.set([port.name: [port]])
            isAnew.append(update.isAnew)
            try kernel.apply(update.changes)
            #expect(try kernel.observe(table.id)?.table == table.table)
        }
        #expect(isAnew == [false, false, false, true, false])
        #expect(table.table.sets["endpoints"]?.shape.limit == 4096)
    }

    @Test("what another agent left is adopted: endpoints keep their places, whatever order they come in")
    func adoption() throws {
        var port = ServicePort.web(to: try endpoints(5)) { $0.nodePort = 30080 }
        var table = ServiceTable([port])
        port.endpoints.remove(at: 0)
        _ = table.set([port.name: [port]])
        let left = table.table
        #expect(ServiceTable([port], after: left).table.sets["endpoints"] == left.sets["endpoints"])
        #expect(ServiceTable([port]).table.sets["endpoints"] != left.sets["endpoints"])
        port.affinity = .seconds(60)
        let kept = ServiceTable([port], after: left).table
        #expect(ServiceTable([port], after: kept).table == kept)
        port.affinity = nil
        #expect(ServiceTable([port], after: kept).table.sets["endpoints"] == left.sets["endpoints"])
    }

    @Test("a front that two services want is the first one's by name, but a cluster IP is never another's; the others are told")
    func taken() throws {
        let here = try endpoints(1)
        let shop = ServicePort.web("shop", to: here) { $0.externalIPs = [.v4(IPv4Address(203, 0, 113, 5))] }
        var thief = ServicePort.web("a-thief", at: ["10.96.0.66"], to: try [.at("10.244.9.9", on: "n9")]) {
            $0.externalIPs = [.v4(IPv4Address(203, 0, 113, 5)), .v4(IPv4Address(10, 96, 0, 10))]
        }
        var table = ServiceTable([shop])
        var kernel = MemoryTables()
        try kernel.settle(table.id, to: table.table)
        let client = try ip("198.51.100.1")
        try kernel.apply(table.set([thief.name: [thief]]).changes)
        #expect(table.table.answer(.tcp, try ip("10.96.0.10"), 80, from: client, inside: true).description == "10.244.1.1:8080")
        #expect(table.table.answer(.tcp, try ip("203.0.113.5"), 80, from: client, inside: true).description == "10.244.9.9:8080")
        #expect(
            table.problems.map(\.description) == [
                "error service-front-taken: Service shop/a-thief: its 10.96.0.10:80 is shop/shop's already; it is not served there; give each service an address or a port of its own",
                "error service-front-taken: Service shop/shop: its 203.0.113.5:80 is shop/a-thief's already; it is not served there; give each service an address or a port of its own",
            ])
        thief.externalIPs = []
        try kernel.apply(table.set([thief.name: [thief]]).changes)
        #expect(table.problems.isEmpty)
        #expect(table.table.answer(.tcp, try ip("203.0.113.5"), 80, from: client, inside: true).description == "10.244.1.1:8080")
        #expect(try kernel.observe(table.id)?.table == table.table)
    }

    @Test(
        "an endpoint where nobody can answer is skipped with a problem, and the others are served",
        arguments: [
            "127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "10.96.0.10", "::1", "fe80::1", "ff02::1", "fd00:10:96::10",
        ])
    func faulty(_ address: String) throws {
        let family = try ip(address).family
        let port = ServicePort.web(to: try endpoints(1) + [.at("fd00:10:244:1::2"), .at(address)])
        let table = ServiceTable([port], family)
        #expect(table.problems.map(\.id) == [.serviceEndpointRefused])
        #expect(table.table.sets["endpoints"]?.elements.count == 1)
        #expect(ServiceTable([port], family == .v4 ? .v6 : .v4).problems.isEmpty)
    }

    @Test("node ports answer at all addresses but loopback ones, or at the chosen ones")
    func nodePortAddresses() throws {
        func ranges(_ prefixes: [String], _ family: IPFamily) throws -> [String] {
            var facts = ServiceFacts.n1
            facts.nodePortAddresses = try prefixes.map(net)
            return facts.nodePortRanges(family).map { "\($0.first)-\($0.last)" }
        }
        #expect(try ranges([], .v4) == ["0.0.0.0-126.255.255.255", "128.0.0.0-255.255.255.255"])
        #expect(try ranges([], .v6) == ["::-::", "::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"])
        #expect(try ranges(["192.0.2.0/24", "192.0.2.1/32", "2001:db8::/64"], .v4) == ["192.0.2.0-192.0.2.255"])
        #expect(try ranges(["127.0.0.0/8"], .v4) == ["127.0.0.0-127.255.255.255"])
        #expect(try ranges(["::1/128"], .v6) == [])
        #expect(try ranges(["192.0.2.0/24"], .v6) == [])
    }

    private func endpoints(_ count: Int) throws -> [ServicePort.Endpoint] {
        try (1...count).map { try .at("10.244.\($0 / 250 + 1).\($0 % 250)", on: "n\($0 % 2 + 1)") }
    }
}
