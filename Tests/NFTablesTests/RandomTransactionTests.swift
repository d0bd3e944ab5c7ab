import Addressing
import NFTables
import NFTablesKernel
import Netlink
import Testing

/// The fake must not lie: whatever is tried, it takes and refuses what the kernel takes and refuses.
@Suite("the fake and the kernel", .tags(.kernel), .enabled(if: kernelIsThere))
struct RandomTransactionTests {
    @Test("any transactions come to the same in both", arguments: Seed.fresh(30))
    func same(_ seed: Seed) throws {
        var random = RandomTransactions(seed)
        let kernel = try KernelTables(in: NetworkNamespace.new())
        var memory = MemoryTables()
        var taken = 0
        for _ in 0..<60 {
            let (inKernel, inMemory) = (try kernel.observe(random.id), try memory.observe(random.id))
            let steps = inKernel == nil ? random.start() : random.transaction()
            let refusal: (any Error)? = attempt { try kernel.apply(steps.map { $0.change(inKernel) }) }
            let fakeRefusal: (any Error)? = attempt { try memory.apply(steps.map { $0.change(inMemory) }) }
            let text = steps.map { "\($0.change(inKernel)) \($0)" }.joined(separator: "\n")
            try #require(
                (refusal == nil) == (fakeRefusal == nil),
                "kernel: \(refusal.map { "\($0)" } ?? "taken"), fake: \(fakeRefusal.map { "\($0)" } ?? "taken")\n\(text)\n\(inKernel?.table.text ?? "")"
            )
            if refusal == nil { taken += 1 }
            try #require(try kernel.observe(random.id)?.table.text == memory.observe(random.id)?.table.text, "\(text)")
        }
        #expect(taken > 3)
    }

    private func attempt(_ body: () throws -> Void) -> (any Error)? {
        do { try body() } catch { return error }
        return nil
    }
}

/// A change, with rules named by their place instead of their handle.
private enum Step {
    case plain(Change)
    case insert(chain: String, Rule, before: Int)
    case delete(chain: String, Int)

    func change(_ observed: ObservedTable?) -> Change {
        let id = Table.ID(.ip, "t")
        func handle(_ chain: String, _ index: Int) -> UInt64 {
            let handles = observed?.handles[chain] ?? []
            return handles.indices.contains(index) ? handles[index] : 999_999
        }
        switch self {
        case .plain(let change): return change
        case .insert(let chain, let rule, let index): return .addRule(id, chain: chain, rule, before: handle(chain, index))
        case .delete(let chain, let index): return .deleteRule(id, chain: chain, handle: handle(chain, index))
        }
    }
}

private struct RandomTransactions {
    let id = Table.ID(.ip, "t")
    private var seed: Seed
    private let chains = ["a", "b", "c"]
    private let shapes: [NamedSet.Shape] = [
        .init("plain", key: [.ipv4Address]), .init("few", key: [.ipv4Address], limit: 2),
        .init("verdicts", key: [.mark], data: .verdict), .init("data", key: [.mark], data: .fields([.mark])),
        .init("ranges", key: [.ipv4Address], isInterval: true), .init("holes", key: [.ipv4Address, .port], isInterval: true),
    ]

    init(_ seed: Seed) { self.seed = seed }

    /// Everything there can be, empty.
    func start() -> [Step] {
        [.plain(.addTable(id)), .plain(.addChain(id, "input", .init(.filter, .input, priority: 0)))]
            + chains.map { .plain(.addChain(id, $0, nil)) } + shapes.map { .plain(.addSet(id, $0)) }
    }

    /// No rule is put before one that the same transaction deletes: the kernel lets it stand where the other stood.
    mutating func transaction() -> [Step] {
        let steps = (0..<1 + seed.number(below: 3)).map { _ in step() }
        let deletesRules = steps.contains { step in
            switch step {
            case .delete, .plain(.flushChain): true
            default: false
            }
        }
        return steps.filter { if case .insert = $0 { !deletesRules } else { true } }
    }

    private mutating func step() -> Step {
        let chain = chains[seed.number(below: chains.count)]
        let shape = shapes[seed.number(below: shapes.count)]
        switch seed.number(below: 40) {
        case 0 where seed.chance(1, in: 10): return .plain(.deleteTable(id))
        case 0..<4: return .plain(.addTable(id))
        case 4..<9: return .plain(.addChain(id, chain, nil))
        case 9: return .plain(.addChain(id, "input", .init(.filter, .input, priority: 0)))
        case 10: return .plain(.deleteChain(id, seed.chance(1, in: 5) ? "input" : chain))
        case 11..<15: return .plain(.addSet(id, shape))
        case 15: return .plain(.deleteSet(id, shape.name))
        case 16..<25: return .plain(.addElements(id, shape, elements(shape)))
        case 25..<30: return .plain(.deleteElements(id, shape, elements(shape)))
        case 30..<34: return .plain(.addRule(id, chain: seed.chance(1, in: 4) ? "input" : chain, rule(), before: nil))
        case 34..<36: return .insert(chain: chain, rule(), before: seed.number(below: 3))
        case 36..<39: return .delete(chain: chain, seed.number(below: 3))
        default: return .plain(.flushChain(id, chain))
        }
    }

    private mutating func rule() -> Rule {
        switch seed.number(below: 6) {
        case 0: Rule(.ip, .counter)
        case 1: Rule(.ip, .isIn([.sourceAddress], set: "plain"), .decide(.drop))
        case 2: Rule(.ip, .isIn([.sourceAddress], set: "ranges"), .counter)
        case 3: Rule(.ip, .verdict(of: [.mark], map: "verdicts"))
        case 4: Rule(.ip, .decide(verdict()))
        default: Rule(.ip, .match(.mark, .equal, .mark(1)), .decide(verdict()), comment: "one")
        }
    }

    private mutating func verdict() -> Verdict {
        switch seed.number(below: 5) {
        case 0: .accept
        case 1: .drop
        case 2 where seed.chance(1, in: 10): .jump("input")
        case 2, 3: .jump(chains[seed.number(below: chains.count)])
        default: .goto(chains[seed.number(below: chains.count)])
        }
    }

    private mutating func elements(_ shape: NamedSet.Shape) -> [Change.Element] {
        (0..<seed.number(below: 3)).map { _ in
            // A range's end follows from its beginning: the kernel looks for the two ends of a deleted range one by one, and would take
            // the end of another for it.
            let low = seed.number(below: 8)
            let more = shape.isInterval ? low % 3 : 0
            func key(_ number: Int) -> Value {
                switch shape.key {
                case [.mark]: Value(.mark(UInt32(number)))
                case [.ipv4Address]: Value(.address(.v4(IPv4Address(rawValue: UInt32(number)))))
                default: Value(.address(.v4(IPv4Address(rawValue: UInt32(number)))), .port(UInt16(number)))
                }
            }
            var content = NamedSet.Content()
            switch shape.data {
            case .none: break
            case .verdict: content.data = .verdict(verdict())
            case .fields: content.data = .value(Value(.mark(UInt32(seed.number(below: 2)))))
            }
            if more > 0 { content.last = key(low + more) }
            return Change.Element(key(low), content)
        }
    }
}
