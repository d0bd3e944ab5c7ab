import Addressing
import NFTables
import NFTablesKernel
import Netlink
import Testing

#if canImport(Glibc)
    import Glibc
#endif

extension Tag {
    /// Needs root and the kernel; runs in a network namespace of its own.
    @Tag static var kernel: Self
}

/// Where a kernel test can run; with REQUIRE_KERNEL=1 it has to.
let kernelIsThere = geteuid() == 0 || getenv("REQUIRE_KERNEL") != nil

/// What every end of this dialect has to hold to. The fake and the kernel run the same code: the fake must not lie.
struct Contract<End: NFTablesEnd> {
    var end: End
    let id = Table.ID(.ip, "contract")

    mutating func agrees(with desired: Table?) throws {
        let observed = try end.observe(id)
        #expect(observed?.table.text == desired?.text)
        #expect(observed?.table == desired)
    }

    /// Whatever the sample holds is there afterwards, and a second time there is nothing to do.
    mutating func settles() throws {
        let sample = sampleTable(.ip, id.name)
        #expect(try !end.settle(id, to: sample).isEmpty)
        try agrees(with: sample)
        let generation = try end.generation()
        #expect(try end.settle(id, to: sample).isEmpty)
        #expect(try end.generation() == generation)
    }

    /// From every state to every other by their difference.
    mutating func walks() throws {
        for state in states(of: sampleTable(.ip, id.name)) {
            try end.settle(id, to: state)
            try agrees(with: state)
        }
    }

    /// A refused step undoes the steps before it.
    mutating func isAtomic() throws {
        let sample = sampleTable(.ip, id.name)
        try end.settle(id, to: sample)
        let generation = try end.generation()
        let services = try #require(sample.sets["services"])
        let known = try #require(services.elements.first)
        let fresh = Change.Element(
            Value(.address(.v4(IPv4Address(192, 0, 2, 99))), .transport(.tcp), .port(1)), .init(.value(Value(.mark(1)))))
        #expect(throws: (any Error).self) {
            try end.apply([
                .addElements(id, services.shape, [fresh]),
                .addElements(id, services.shape, [Change.Element(known.key, known.value)]),
            ])
        }
        try agrees(with: sample)
        #expect(try end.generation() == generation)
    }

    /// No elements, no change: the kernel never answered such a transaction, and the program waited for ever.
    mutating func doesNothing() throws {
        let sample = sampleTable(.ip, id.name)
        try end.settle(id, to: sample)
        let generation = try end.generation()
        let shape = try #require(sample.sets["services"]).shape
        try end.apply([])
        try end.apply([.addElements(id, shape, []), .deleteElements(id, shape, [])])
        #expect(try end.generation() == generation)
        try agrees(with: sample)
    }

    /// What others still point at stays.
    mutating func refusesWhatIsInUse() throws {
        let sample = sampleTable(.ip, id.name)
        try end.settle(id, to: sample)
        for change: Change in [
            .deleteChain(id, "lb-1"), .deleteSet(id, "ranges"), .deleteSet(id, "unheard-of"), .deleteChain(id, "unheard-of"),
            .deleteTable(Table.ID(.ip, "unheard-of")), .addRule(id, chain: "unheard-of", Rule(.ip, .counter), before: nil),
            .addRule(id, chain: "lb-1", Rule(.ip, .isIn([.mark], set: "unheard-of")), before: nil),
            .addRule(id, chain: "lb-1", Rule(.ip, .decide(.jump("unheard-of"))), before: nil),
            .addRule(id, chain: "lb-1", Rule(.ip, .counter), before: 987_654), .deleteRule(id, chain: "lb-1", handle: 987_654),
        ] {
            #expect(throws: (any Error).self, "\(change)") { try end.apply([change]) }
        }
        try agrees(with: sample)
    }

    /// Neighbouring states of a table: each differs from the one before in another way.
    private func states(of sample: Table) -> [Table?] {
        var fewer = sample
        fewer.sets["services"]?.elements.removeAll()
        fewer.sets["classes"]?.elements = [:]
        fewer.sets["ranges"]?.elements.removeValue(forKey: Value(.address(.v4(IPv4Address(203, 0, 113, 7)))))
        var rules = sample
        rules.chains["filter-forward"]?.rules.remove(at: 4)
        rules.chains["filter-forward"]?.rules.swapAt(1, 2)
        rules.chains["filter-forward"]?.rules.append(Rule(.ip, .counter, comment: "last"))
        var noChain = rules
        noChain.chains["lb-2"] = nil
        noChain.sets["classes"]?.elements.removeValue(forKey: Value(.mark(2)))
        noChain.chains["side"] = nil
        noChain.chains["filter-forward"]?.rules.removeAll { rule in
            rule.expressions.contains(.verdict(.goto("side"))) || rule.expressions.contains(.verdict(.jump("side")))
        }
        var otherContent = sample
        let other = NamedSet.Content(.value(Value(.address(.v4(IPv4Address(203, 0, 113, 99))), .port(9))))
        otherContent.sets["endpoints"]?.elements = (sample.sets["endpoints"]?.elements ?? [:]).mapValues { _ in other }
        var otherShape = sample
        otherShape.sets["pods"] = NamedSet(.init("pods", key: [.interfaceName], limit: 128))
        var otherHook = sample
        otherHook.chains["filter-forward"]?.base?.priority = 7
        let empty = Table(.ip, sample.id.name)
        return [sample, fewer, sample, rules, noChain, rules, otherContent, otherShape, otherHook, empty, nil, nil, sample, nil]
    }
}

@Suite("the contract, held by the fake")
struct MemoryContractTests {
    @Test("what is asked for is there, and asking twice changes nothing") func settles() throws {
        var contract = Contract(end: MemoryTables())
        try contract.settles()
    }

    @Test("any state is reached from any other by their difference") func walks() throws {
        var contract = Contract(end: MemoryTables())
        try contract.walks()
    }

    @Test("a refused step undoes the whole transaction") func isAtomic() throws {
        var contract = Contract(end: MemoryTables())
        try contract.isAtomic()
    }

    @Test("a transaction of nothing moves nothing") func doesNothing() throws {
        var contract = Contract(end: MemoryTables())
        try contract.doesNothing()
    }

    @Test("what is used cannot go, and what is not there cannot be used") func refuses() throws {
        var contract = Contract(end: MemoryTables())
        try contract.refusesWhatIsInUse()
    }
}

@Suite("the contract, held by the kernel", .tags(.kernel), .enabled(if: kernelIsThere))
struct KernelContractTests {
    func end() throws -> KernelTables { try KernelTables(in: NetworkNamespace.new()) }

    @Test("what is asked for is there, and asking twice changes nothing") func settles() throws {
        var contract = Contract(end: try end())
        try contract.settles()
    }

    @Test("any state is reached from any other by their difference") func walks() throws {
        var contract = Contract(end: try end())
        try contract.walks()
    }

    @Test("a refused step undoes the whole transaction") func isAtomic() throws {
        var contract = Contract(end: try end())
        try contract.isAtomic()
    }

    @Test("a transaction of nothing moves nothing") func doesNothing() throws {
        var contract = Contract(end: try end())
        try contract.doesNothing()
    }

    @Test("what is used cannot go, and what is not there cannot be used") func refuses() throws {
        var contract = Contract(end: try end())
        try contract.refusesWhatIsInUse()
    }
}
