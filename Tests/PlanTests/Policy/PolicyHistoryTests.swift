import Addressing
import NFTables
import Testing

@testable import Cluster
@testable import KubeAPI
@testable import Plan

/// Policies, pods and namespaces come, go and change by chance; after every change the table is held against one made anew, and what
/// it says of packets against the evaluator.
@Suite("histories of policies") struct PolicyHistoryTests {
    @Test("element by element or all at once, it comes to the same, and to what the evaluator says", arguments: Seed.fresh(4))
    func histories(seed: Seed) throws {
        var seed = seed
        var cluster = PolicyCluster()
        var index = PolicyIndex(node: "n1")
        var kernel = MemoryTables()
        let log = PolicyLog.allCases[seed.number(below: 3)]
        var tables = IPFamily.allCases.map { PolicyTable($0, log: log) }
        index.setNodes(PolicyCluster.members)
        index.replace(with: [])
        for step in 0..<80 {
            for _ in 0...seed.number(below: 3) { try cluster.change(&index, &seed) }
            let changes = index.takeChanges()
            for position in tables.indices {
                try kernel.apply(tables[position].update(changes, index))
                let table = tables[position]
                let observed = try kernel.observe(table.id)?.table
                #expect(observed == table.table(index))
                // One that starts finds nothing to do.
                #expect(PolicyTable(table.family, index, log: log).table(index) == observed)
                if step % 5 == 4 { try cluster.check(observed, index, table, &seed) }
            }
        }
    }
}

extension PolicyCluster {
    /// Every pod of this node against everybody.
    func check(_ table: Table?, _ index: PolicyIndex, _ plan: PolicyTable, _ seed: inout Seed) throws {
        let (world, family, tallies) = (world, plan.family, plan.tallies)
        let node = Self.members[0].addresses
        for source in addresses where source.family == family {
            for destination in addresses where destination.family == family {
                guard local.contains(source) || local.contains(destination) else { continue }
                let transport = [TransportProtocol.tcp, .udp, .sctp, nil][seed.number(below: 4)]
                let port: UInt16 = transport == nil ? 0 : [80, 81, 8080, 8085][seed.number(below: 4)]
                let verdict = world.verdict(on: .init(from: source, to: destination, transport, port: port))
                #expect(index.world.verdict(on: .init(from: source, to: destination, transport, port: port)) == verdict)
                let isAllowed =
                    (!local.contains(source) || verdict.egress.isAllowed)
                    && (!local.contains(destination) || verdict.ingress.isAllowed)
                let hook = node.contains(destination) ? "input" : node.contains(source) ? "output" : "forward"
                let packet = PolicyPacket(
                    source: source, destination: destination, transport: transport, port: port, hook: hook)
                guard let table else {
                    #expect(isAllowed, "\(packet): \(verdict)")
                    continue
                }
                let judgement = table.judges(packet)
                #expect(judgement.isAllowed == isAllowed, "\(packet): \(verdict)")
                judgement.checkTrial(verdict, tallies)
            }
        }
    }
}

/// A packet that opens a connection.
struct PolicyPacket {
    var source: IPAddress
    var destination: IPAddress
    var transport: TransportProtocol?
    var port: UInt16
    var hook = "forward"
}

/// What became of a packet, and by which rules.
struct PolicyJudgement {
    var isAllowed: Bool
    /// Those that counted it.
    var hits: [(chain: String, rule: Int)]
    /// The chains it went through.
    var chains: Set<String>

    /// What the rules on trial counted is what the evaluator says of the shadows.
    func checkTrial(_ verdict: PolicyVerdict, _ tallies: [String: [PolicyTally?]]) {
        let counted = hits.compactMap { tallies[$0.chain]?[$0.rule] }
        let sides = verdict.onTrial ?? .init(egress: verdict.egress, ingress: verdict.ingress)
        for (prefix, direction, side) in [
            ("out-", NetworkPolicy.Direction.egress, sides.egress), ("in-", .ingress, sides.ingress),
            ("node-", .egress, sides.egress),
        ] where chains.contains(where: { $0.hasPrefix(prefix) && $0.hasSuffix("-shadow") }) {
            let isDenied = counted.contains { $0.direction == direction && $0.outcome == .shadowDenied }
            #expect(isDenied != side.isAllowed, "\(verdict)")
        }
        // What is refused says who refuses it.
        guard !isAllowed, let refusal = counted.last(where: { $0.outcome == .denied }) else { return }
        switch refusal.direction == .egress ? verdict.egress : verdict.ingress {
        case .closed(_, let policies): #expect(refusal.policies == policies && refusal.place.isEmpty)
        case .decided(_, let decision):
            #expect(refusal.policies == [decision.policy] && decision.rule.description == "spec.\(refusal.place)")
        default: Issue.record("\(refusal): \(verdict)")
        }
    }
}

extension Table {
    /// What the table of policies does with a packet: its rules, read as the kernel reads them.
    func judges(_ packet: PolicyPacket) -> PolicyJudgement {
        var machine = PolicyMachine(table: self, packet: packet)
        let isAllowed = machine.run()
        return PolicyJudgement(isAllowed: isAllowed, hits: machine.hits, chains: machine.chains)
    }
}

/// Runs rules over registers of four bytes.
private struct PolicyMachine {
    let table: Table
    let packet: PolicyPacket
    private var registers = [UInt8](repeating: 0, count: 64)
    private var mark: UInt32 = 0
    private(set) var hits: [(chain: String, rule: Int)] = []
    private(set) var chains: Set<String> = []

    init(table: Table, packet: PolicyPacket) { (self.table, self.packet) = (table, packet) }

    private enum End { case accepted, dropped, left }

    mutating func run() -> Bool { run(packet.hook, depth: 0) != .dropped }

    private mutating func run(_ chain: String, depth: Int) -> End {
        guard depth < 16 else { return .dropped }
        chains.insert(chain)
        for (position, rule) in (table.chains[chain]?.rules ?? []).enumerated() {
            guard let verdict = verdict(of: rule) else { continue }
            if rule.expressions.contains(.counter) { hits.append((chain, position)) }
            switch verdict {
            case .accept: return .accepted
            case .drop: return .dropped
            case .proceed: continue
            case .comeBack: return .left
            case .jump(let name):
                let end = run(name, depth: depth + 1)
                if end != .left { return end }
            case .goto(let name): return run(name, depth: depth + 1)
            }
        }
        return .left
    }

    /// `nil`: on with the next rule.
    private mutating func verdict(of rule: NFTables.Rule) -> Verdict? {
        for expression in rule.expressions {
            switch expression {
            case .counter, .limit, .log: continue
            case .verdict(let verdict): return verdict
            case .meta(.mark, let register): put(withUnsafeBytes(of: mark) { Array($0) }, register)
            case .setMeta(.mark, let register): mark = get(register, 4).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
            case .meta(.transportProtocol, let register): put([packet.transport?.number ?? 1], register)
            case .conntrack(.state, _, let register): put(Value(.number(ConntrackState.new.rawValue)).bytes, register)
            case .payload(.network, let offset, let length, let register):
                let isSource = offset == (length == 16 ? 8 : 12)
                put((isSource ? packet.source : packet.destination).bytes, register)
            case .payload(.transport, 2, 2, let register): put([UInt8(packet.port >> 8), UInt8(packet.port & 255)], register)
            // It asks for a connection.
            case .payload(.transport, 13, 1, let register): put([2], register)
            case .bitwise(let from, let into, let mask, _):
                put(zip(get(from, mask.count), mask.bytes).map { $0 & $1 }, into)
            case .compare(let register, let comparison, let value):
                guard holds(get(register, value.count), comparison, value.bytes) else { return nil }
            case .lookup(let set, let key, let target, let isInverted):
                guard let named = table.sets[set] else { return .drop }
                let found = named.content(of: Value(get(key, named.shape.keySize)))
                guard (found != nil) != isInverted else { return nil }
                switch (target, found?.data) {
                case (.verdict, .verdict(let verdict)?): return verdict
                case (.register(let register), .value(let value)?): put(value.bytes, register)
                default: break
                }
            default: return .drop
            }
        }
        return nil
    }

    private mutating func put(_ bytes: [UInt8], _ register: Register) {
        let start = Int(register.rawValue) * 4
        for (position, byte) in (bytes + Array(repeating: 0, count: -bytes.count & 3)).enumerated() {
            registers[start + position] = byte
        }
    }

    private func get(_ register: Register, _ count: Int) -> [UInt8] {
        Array(registers[Int(register.rawValue) * 4..<Int(register.rawValue) * 4 + count])
    }

    private func holds(_ bytes: [UInt8], _ comparison: Comparison, _ value: [UInt8]) -> Bool {
        switch comparison {
        case .equal: bytes == value
        case .notEqual: bytes != value
        case .less: bytes.lexicographicallyPrecedes(value)
        case .lessOrEqual: !value.lexicographicallyPrecedes(bytes)
        case .greater: value.lexicographicallyPrecedes(bytes)
        case .greaterOrEqual: !bytes.lexicographicallyPrecedes(value)
        }
    }
}

extension NamedSet {
    fileprivate func content(of key: Value) -> Content? {
        if let exact = elements[key] { return exact }
        guard shape.isInterval else { return nil }
        return elements.first { $0.key <= key && key <= $0.value.last ?? $0.key }?.value
    }
}
