import Addressing
import NFTables
import NFTablesKernel
import Netlink
import Testing

/// Every form a rule can have, with its text: a form without an example fails, a new form does not compile until it is named.
@Suite("every form of a rule")
struct FormTests {
    @Test("every statement has an example")
    func statements() {
        #expect(Set(statementExamples.map { StatementForm($0.statement) }) == Set(StatementForm.allCases))
    }

    @Test("every expression has an example")
    func expressions() {
        let all = statementExamples.flatMap { Rule(.ip, $0.statement).expressions } + expressionExamples.flatMap(\.expressions)
        #expect(Set(all.map { ExpressionForm($0) }) == Set(ExpressionForm.allCases))
    }

    @Test("a statement reads as nft writes it", arguments: statementExamples)
    func text(_ example: StatementExample) {
        #expect(Rule(.ip, example.statement).text(in: formTable) == example.text)
    }

    @Test("expressions that no statement makes have words too", arguments: expressionExamples)
    func text(_ example: ExpressionExample) {
        #expect(Rule(expressions: example.expressions).text(in: formTable) == example.text)
    }

    @Test("the kernel gives every form back as it was given", .tags(.kernel), .enabled(if: kernelIsThere))
    func kernel() throws {
        var tables = try KernelTables(in: NetworkNamespace.new())
        var table = formTable
        for example in statementExamples where !example.needsTranslation {
            table.chains["forms"]?.rules.append(Rule(.ip, example.statement, comment: example.text))
        }
        for example in statementExamples where example.needsTranslation {
            let chain = example.text.contains("masquerade") ? "postrouting" : "prerouting"
            table.chains[chain]?.rules.append(Rule(.ip, example.statement, comment: example.text))
        }
        for example in expressionExamples where example.isForKernel {
            table.chains["forms"]?.rules.append(Rule(expressions: example.expressions))
        }
        try tables.settle(table.id, to: table)
        let observed = try #require(try tables.observe(table.id)).table
        for (name, chain) in table.chains {
            for (wanted, found) in zip(chain.rules, observed.chains[name]?.rules ?? []) { #expect(found == wanted) }
        }
        #expect(observed == table)
    }
}

private let formTable = Table(
    .ip, "forms",
    chains: [
        Chain("forms", .init(.filter, .forward, priority: 0)), Chain("side"),
        Chain("prerouting", .init(.nat, .prerouting, priority: -100)),
        Chain("postrouting", .init(.nat, .postrouting, priority: 100)),
    ],
    sets: [
        NamedSet(.init("pods", key: [.ipv4Address])), NamedSet(.init("pairs", key: [.ipv4Address, .port])),
        NamedSet(.init("neighbours", key: [.etherAddress, .ipv4Address])),
        NamedSet(.init("classes", key: [.mark], data: .verdict)),
        NamedSet(.init("services", key: [.ipv4Address, .transportProtocol, .port], data: .fields([.mark]))),
        NamedSet(.init("endpoints", key: [.ipv4Address, .integer], data: .fields([.ipv4Address, .port]))),
        NamedSet(.init("seen", key: [.ipv4Address], isDynamic: true, defaultTimeout: .seconds(60), limit: 10)),
        NamedSet(
            .init(
                "kept", key: [.ipv4Address, .ipv4Address], data: .fields([.mark]), isDynamic: true, hasTimeout: true, limit: 10)),
        NamedSet(.init("choices", key: [.ipv4Address, .integer], data: .fields([.mark]))),
        NamedSet(.init("chosen", key: [.ipv4Address, .mark], data: .fields([.ipv4Address, .port]))),
        NamedSet(
            .init(
                "sticky", key: [.ipv4Address], data: .fields([.mark]), isDynamic: true, defaultTimeout: .seconds(60), limit: 10)),
    ])

struct StatementExample: Sendable, CustomTestStringConvertible {
    var statement: Statement
    var text: String
    var testDescription: String { text }

    init(_ statement: Statement, _ text: String) {
        self.statement = statement
        self.text = text
    }

    var needsTranslation: Bool {
        switch statement {
        case .masquerade, .destinationNAT, .reversePath, .keptDestinationNAT, .chosenDestinationNAT: true
        default: false
        }
    }
}

struct ExpressionExample: Sendable, CustomTestStringConvertible {
    var expressions: [Expression]
    var text: String
    /// Whether the kernel takes it in a filter chain.
    var isForKernel = true
    var testDescription: String { text }
}

private let address = Field.destinationAddress
private let statementExamples: [StatementExample] = [
    .init(.match(.sourceAddress, .equal, .address(.v4(.loopback))), "ip saddr 127.0.0.1"),
    .init(.match(address, .notEqual, .address(.v4(.loopback))), "ip daddr != 127.0.0.1"),
    .init(.match(.transportProtocol, .equal, .transport(.sctp)), "meta l4proto sctp"),
    .init(.match(.transportProtocol, .notEqual, .transport(.tcp)), "meta l4proto != tcp"),
    .init(.match(.sourcePort, .less, .port(1024)), "th sport < 1024"),
    .init(.match(.destinationPort, .greaterOrEqual, .port(1024)), "th dport >= 1024"),
    .init(.match(.mark, .equal, .mark(0xAB)), "meta mark 0x000000ab"),
    .init(.match(.inputInterfaceName, .equal, .interfaceName("eth0")), "iifname \"eth0\""),
    .init(.match(.outputInterfaceName, .notEqual, .interfaceName("eth0")), "oifname != \"eth0\""),
    .init(.match(.inputInterface, .equal, .interfaceIndex(1)), "iif 1"),
    .init(.match(.outputInterface, .equal, .interfaceIndex(1)), "oif 1"),
    .init(.match(.originalDestinationAddress, .equal, .address(.v4(.loopback))), "ct original ip daddr 127.0.0.1"),
    .init(.match(.originalDestinationPort, .equal, .port(443)), "ct original proto-dst 443"),
    .init(.match(.originalTransportProtocol, .equal, .transport(.udp)), "ct protocol udp"),
    .init(.match(.destinationAddressType, .equal, .number(AddressType.broadcast.rawValue)), "fib daddr type broadcast"),
    .init(.match(.random(below: 100), .less, .number(5)), "numgen random mod 100 < 5"),
    .init(.begins(.inputInterfaceName, with: "eth"), "iifname \"eth*\""),
    .init(.begins(.outputInterfaceName, with: "e"), "oifname \"e*\""),
    .init(.reversePath(isThere: false), "fib saddr . iif oif missing"),
    .init(.reversePath(isThere: true), "fib saddr . iif oif exists"),
    .init(.anyBit(.conntrackState, of: ConntrackState.new.rawValue), "ct state new"),
    .init(.anyBit(.conntrackStatus, of: ConntrackStatus.sourceTranslated.rawValue), "ct status snat"),
    .init(.anyBit(.mark, of: 0x4000), "meta mark & 0x00004000 != 0x00000000"),
    .init(.isWithinConnection, "tcp flags != syn / fin,syn,rst,ack"),
    .init(.isIn([address], set: "pods"), "ip daddr @pods"),
    .init(.isIn([.sourceAddress, .sourcePort], set: "pairs"), "ip saddr . th sport @pairs"),
    .init(.isNotIn([address], set: "pods"), "ip daddr != @pods"),
    .init(.isNotIn([.sourceMAC, .sourceAddress], set: "neighbours"), "@ll,48,48 . ip saddr != @neighbours"),
    .init(.verdict(of: [.mark], map: "classes"), "meta mark vmap @classes"),
    .init(
        .chainedVerdict(of: [address, .transportProtocol, .destinationPort], through: "services", map: "classes"),
        "meta mark set ip daddr . meta l4proto . th dport map @services meta mark set meta mark meta mark vmap @classes"),
    .init(
        .destinationNAT(to: [address, .random(below: 2)], map: "endpoints"),
        "dnat ip to ip daddr . numgen random mod 2 map @endpoints"),
    .init(
        .keptDestinationNAT(of: [address], kept: "kept", endpoints: "chosen", timeout: .seconds(60)),
        "meta mark set ip saddr . ip daddr map @kept meta mark set meta mark update @kept { ip saddr . ip daddr timeout 1m : "
            + "meta mark } dnat ip to ip daddr . meta mark map @chosen"),
    .init(
        .chosenDestinationNAT(
            of: [address], below: 3, choices: "choices", kept: "kept", endpoints: "chosen", timeout: .seconds(60)),
        "meta mark set ip daddr . numgen random mod 3 map @choices meta mark set meta mark update @kept "
            + "{ ip saddr . ip daddr timeout 1m : meta mark } dnat ip to ip daddr . meta mark map @chosen"),
    .init(
        .chosenDestinationNAT(
            of: [address], below: 3, choices: "choices", kept: nil, endpoints: "chosen", timeout: .seconds(60)),
        "meta mark set ip daddr . numgen random mod 3 map @choices meta mark set meta mark dnat ip to ip daddr . meta mark "
            + "map @chosen"),
    .init(
        .remember([.sourceAddress], set: "seen", timeout: .seconds(5)), "update @seen { ip saddr timeout 5s }"),
    .init(.forgetChoice(of: [address], kept: "kept"), "delete @kept { ip saddr . ip daddr : ip saddr }"),
    .init(.setMark(0x100, mask: 0xFF00), "meta mark set meta mark & 0xffff01ff | 0x00000100"),
    .init(.setMark(0, mask: 0xFF00), "meta mark set meta mark & 0xffff00ff"),
    .init(.masquerade([]), "masquerade"),
    .init(.masquerade([.random, .fullyRandom]), "masquerade random,fully-random"),
    .init(.reject(.tcpReset), "reject with tcp reset"),
    .init(.reject(.unreachable(code: 3)), "reject"),
    .init(.reject(.unreachable(code: 13)), "reject with icmp admin-prohibited"),
    .init(.reject(.unreachable(code: 77)), "reject with icmp 77"),
    .init(.counter, "counter"),
    .init(.untrack, "notrack"),
    .init(.limit(perSecond: 10, burst: 20), "limit rate 10/second burst 20 packets"),
    .init(.log(group: 7, prefix: "hello: "), "log prefix \"hello: \" group 7"),
    .init(.decide(.accept), "accept"),
    .init(.decide(.drop), "drop"),
    .init(.decide(.proceed), "continue"),
    .init(.decide(.comeBack), "return"),
    .init(.decide(.jump("side")), "jump side"),
    .init(.decide(.goto("side")), "goto side"),
]

private let expressionExamples: [ExpressionExample] = [
    .init(
        expressions: [
            .payload(.network, offset: 12, length: 4, into: .first),
            .update(set: "seen", key: .first, data: nil, timeout: .seconds(5)),
        ],
        text: "update @seen { ip saddr timeout 5s }"),
    .init(
        expressions: [
            .payload(.network, offset: 12, length: 4, into: .first), .meta(.mark, into: .last),
            .update(set: "sticky", key: .first, data: .last, timeout: nil),
        ],
        text: "update @sticky { ip saddr : meta mark }"),
    .init(expressions: [.load(Value(.mark(7)), into: .first), .setMeta(.mark, from: .first)], text: "meta mark set 0x07000000"),
    .init(
        expressions: [.payload(.network, offset: 9, length: 1, into: .first), .compare(.first, .equal, Value([6]))],
        text: "@nh,72,8 0x06"),
    .init(
        expressions: [.payload(.transport, offset: 13, length: 1, into: .first), .compare(.first, .notEqual, Value([2]))],
        text: "@th,104,8 != 0x02"),
    .init(
        expressions: [.numgen(.incremental, modulus: 4, offset: 2, into: .first), .compare(.first, .equal, Value(.number(3)))],
        text: "numgen inc mod 4 offset 2 3"),
    .init(
        expressions: [
            .fib(.outputInterface, [.source, .inputInterface], into: .first), .compare(.first, .equal, Value(.number(1))),
        ],
        text: "fib saddr . iif oif 1", isForKernel: false),
    .init(
        expressions: [.meta(.length, into: .first), .compare(.first, .greater, Value(.number(100)))], text: "meta length > 100"),
    .init(expressions: [.unknown("quota", [1, 2])], text: "<quota 0x0102>", isForKernel: false),
    .init(expressions: [.reject(.unreachableInet(code: 0))], text: "reject with icmpx no-route", isForKernel: false),
    .init(expressions: [.compare(.last, .equal, Value([1]))], text: "<cmp 0x01>", isForKernel: false),
]

private enum StatementForm: CaseIterable {
    case match, begins, reversePath, anyBit, isWithinConnection, isIn, isNotIn, verdict, chainedVerdict, destinationNAT, setMark,
        masquerade, reject,
        keptDestinationNAT, chosenDestinationNAT, forgetChoice, remember, counter, untrack, limit, log,
        decide

    init(_ statement: Statement) {
        self =
            switch statement {
            case .match: .match
            case .begins: .begins
            case .reversePath: .reversePath
            case .anyBit: .anyBit
            case .isWithinConnection: .isWithinConnection
            case .isIn: .isIn
            case .isNotIn: .isNotIn
            case .verdict: .verdict
            case .chainedVerdict: .chainedVerdict
            case .destinationNAT: .destinationNAT
            case .keptDestinationNAT: .keptDestinationNAT
            case .chosenDestinationNAT: .chosenDestinationNAT
            case .forgetChoice: .forgetChoice
            case .remember: .remember
            case .setMark: .setMark
            case .masquerade: .masquerade
            case .reject: .reject
            case .counter: .counter
            case .untrack: .untrack
            case .limit: .limit
            case .log: .log
            case .decide: .decide
            }
    }
}

private enum ExpressionForm: CaseIterable {
    case meta, setMeta, payload, conntrack, fib, numgen, load, verdict, compare, bitwise, lookup, update, forget, nat, masquerade,
        reject
    case counter, limit, log, untrack, unknown

    init(_ expression: Expression) {
        self =
            switch expression {
            case .meta: .meta
            case .setMeta: .setMeta
            case .payload: .payload
            case .conntrack: .conntrack
            case .fib: .fib
            case .numgen: .numgen
            case .load: .load
            case .verdict: .verdict
            case .compare: .compare
            case .bitwise: .bitwise
            case .lookup: .lookup
            case .update: .update
            case .forget: .forget
            case .nat: .nat
            case .masquerade: .masquerade
            case .reject: .reject
            case .counter: .counter
            case .untrack: .untrack
            case .limit: .limit
            case .log: .log
            case .unknown: .unknown
            }
    }
}
