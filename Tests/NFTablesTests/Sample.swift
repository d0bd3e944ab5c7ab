import Addressing
import NFTables

/// A table with everything in it that Tulle writes: each rule is there because its text or its encoding is easy to get wrong.
func sampleTable(_ family: TableFamily, _ name: String = "sample") -> Table {
    let isV6 = family == .ip6
    let address: FieldType = isV6 ? .ipv6Address : .ipv4Address
    func ip(_ v4: String, _ v6: String) -> FieldValue {
        guard let parsed = IPAddress(isV6 ? v6 : v4) else { preconditionFailure("a sample address that is none") }
        return .address(parsed)
    }
    let services = NamedSet(
        .init("services", key: [address, .transportProtocol, .port], data: .fields([.mark])),
        [
            Value(ip("192.0.2.10", "2001:db8::10"), .transport(.tcp), .port(80)): .init(.value(Value(.mark(2)))),
            Value(ip("192.0.2.10", "2001:db8::10"), .transport(.udp), .port(53)): .init(.value(Value(.mark(1)))),
        ])
    let classes = NamedSet(
        .init("classes", key: [.mark], data: .verdict),
        [Value(.mark(1)): .init(.verdict(.goto("lb-1"))), Value(.mark(2)): .init(.verdict(.goto("lb-2")))])
    let endpoints = NamedSet(
        .init("endpoints", key: [address, .transportProtocol, .port, .mark], data: .fields([address, .port])),
        [
            Value(ip("192.0.2.10", "2001:db8::10"), .transport(.tcp), .port(80), .mark(0)):
                .init(.value(Value(ip("198.51.100.1", "2001:db8:1::1"), .port(8080)))),
            Value(ip("192.0.2.10", "2001:db8::10"), .transport(.tcp), .port(80), .mark(1)):
                .init(.value(Value(ip("198.51.100.2", "2001:db8:1::2"), .port(8080)))),
        ])
    let ranges = NamedSet(
        .init("ranges", key: [address], isInterval: true),
        [
            Value(ip("198.51.100.0", "2001:db8:1::")): .init(
                last: Value(ip("198.51.100.255", "2001:db8:1:ffff:ffff:ffff:ffff:ffff"))),
            Value(ip("203.0.113.7", "2001:db8:2::7")): .init(),
            Value(ip("203.0.113.8", "2001:db8:2::8")): .init(last: Value(ip("203.0.113.10", "2001:db8:2::a"))),
        ])
    let holes = NamedSet(
        .init("holes", key: [address, .port], isInterval: true),
        [
            Value(ip("203.0.113.0", "2001:db8:3::"), .port(1000)):
                .init(last: Value(ip("203.0.113.127", "2001:db8:3:0:ffff:ffff:ffff:ffff"), .port(2000)))
        ])
    let pods = NamedSet(
        .init("pods", key: [.interfaceName]),
        [Value(.interfaceName("eth0")): .init(), Value(.interfaceName("tl0123456789abc")): .init()])
    let sticky = NamedSet(
        .init(
            "sticky", key: [address, .port], data: .fields([.mark]), isDynamic: true, defaultTimeout: .seconds(10800),
            limit: 65536))
    let counted = NamedSet(.init("counted", key: [address], counts: true), [Value(ip("192.0.2.7", "2001:db8::7")): .init()])
    let timed = NamedSet(.init("timed", key: [.etherAddress], hasTimeout: true))
    let key: [Field] = [.destinationAddress, .transportProtocol, .destinationPort]
    let chains: [Chain] = [
        Chain("lb-1", rules: [Rule(family, .destinationNAT(to: key + [.random(below: 1)], map: "endpoints"))]),
        Chain(
            "lb-2",
            rules: [Rule(family, .destinationNAT(to: key + [.random(below: 2)], map: "endpoints"), comment: "two of them")]),
        Chain(
            "nat-prerouting", .init(.nat, .prerouting, priority: -100),
            rules: [Rule(family, .chainedVerdict(of: key, through: "services", map: "classes"))]),
        Chain("nat-output", .init(.nat, .output, priority: -100), rules: [Rule(family, .verdict(of: [.mark], map: "classes"))]),
        Chain(
            "postrouting", .init(.nat, .postrouting, priority: 100),
            rules: [
                Rule(
                    family, .anyBit(.conntrackStatus, of: ConntrackStatus.destinationTranslated.rawValue),
                    .masquerade(.fullyRandom)),
                Rule(
                    family, .isIn([.sourceAddress], set: "ranges"), .isNotIn([.destinationAddress], set: "ranges"), .counter,
                    .masquerade([])),
            ]),
        Chain(
            "filter-forward", .init(.filter, .forward, priority: -5, dropsByDefault: true),
            rules: [
                Rule(
                    family, .anyBit(.conntrackState, of: ConntrackState([.established, .related]).rawValue), .decide(.accept),
                    comment: "replies"),
                Rule(
                    family, .match(.transportProtocol, .equal, .transport(.tcp)), .match(.destinationPort, .equal, .port(80)),
                    .decide(.drop)),
                Rule(
                    family, .match(.transportProtocol, .equal, .transport(.udp)), .match(.sourcePort, .notEqual, .port(53)),
                    .counter),
                Rule(family, .match(.transportProtocol, .equal, .transport(.tcp)), .reject(.tcpReset)),
                Rule(family, .match(.destinationAddress, .equal, ip("192.0.2.9", "2001:db8::9")), .decide(.jump("side"))),
                Rule(family, .isIn([.inputInterfaceName], set: "pods"), .decide(.comeBack)),
                Rule(family, .isWithinConnection, .isIn([.sourceAddress], set: "counted"), .decide(.drop)),
                Rule(family, .match(.destinationAddressType, .equal, .number(AddressType.local.rawValue)), .decide(.accept)),
                Rule(family, .setMark(0x100, mask: 0xff00), .counter),
                Rule(family, .match(.mark, .equal, .mark(0x4000)), .decide(.drop)),
                Rule(
                    family, .match(.transportProtocol, .equal, .transport(.tcp)),
                    .match(.originalDestinationPort, .equal, .port(443)), .decide(.goto("side"))),
                Rule(family, .reject(.unreachable(code: isV6 ? 4 : 3))),
                Rule(family, .isIn([.destinationAddress, .destinationPort], set: "holes"), .counter),
            ]),
        Chain("side", rules: [Rule(family, .counter, .decide(.comeBack))]),
        Chain(
            "raw-prerouting", .init(.filter, .prerouting, priority: -300),
            rules: [
                Rule(family, .untrack),
                Rule(family, .begins(.inputInterfaceName, with: "tl"), .reversePath(isThere: false), .decide(.drop)),
            ]),
    ]
    return Table(family, name, chains: chains, sets: [services, classes, endpoints, ranges, holes, pods, sticky, timed, counted])
}
