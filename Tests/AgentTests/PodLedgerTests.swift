import Addressing
import Plan
import Testing

@testable import Agent

@Suite("the ledger of addresses")
struct PodLedgerTests {
    private func ledger(
        _ prefixes: String..., attached: [AttachmentRecord] = [], resting: [IPAddress: Duration] = [:],
        reserved: Set<IPAddress> = []
    ) throws -> Box<PodLedger> {
        let ledger = Box(PodLedger(attached: attached, resting: resting, rest: .seconds(30)))
        ledger.value.adopt(prefixes: try prefixes.map(net), mtu: 1500, reserved: reserved)
        return ledger
    }

    private func attach(_ ledger: Box<PodLedger>, _ name: String, at now: Duration = .zero) -> PodLedger.Attaching {
        ledger.value.attach(id(name), network: "pods", namespacePath: "", pod: "", at: now)
    }

    private func claim(_ ledger: Box<PodLedger>, _ name: String, _ interface: String = "eth0") -> Bool {
        ledger.value.claim(id(name, interface))
    }

    private func addresses(_ attaching: PodLedger.Attaching) -> [String]? {
        if case .attached(let record) = attaching { record.attachment.addresses.map(\.description) } else { nil }
    }

    @Test("gives one address of each range, and says why when it cannot")
    func answers() throws {
        let unknown = Box(PodLedger(attached: [], resting: [:], rest: .seconds(30)))
        #expect(attach(unknown, "a") == .notReady)
        let ledger = try ledger("192.0.2.0/30", "2001:db8::/126", reserved: [try ip("2001:db8::3")])
        #expect(addresses(attach(ledger, "a")) == ["192.0.2.1", "2001:db8::1"])
        #expect(attach(ledger, "a") == .alreadyAttached)
        #expect(addresses(attach(ledger, "b")) == ["192.0.2.2", "2001:db8::2"])
        #expect(attach(ledger, "c") == .exhausted(try net("192.0.2.0/30"), holders: 2))
        ledger.value.remove(id("a"), at: .seconds(100))
        #expect(attach(ledger, "c", at: .seconds(100)) == .resting(until: .seconds(130)))
        #expect(attach(ledger, "c", at: .seconds(129)) == .resting(until: .seconds(130)))
        #expect(addresses(attach(ledger, "c", at: .seconds(130))) == ["192.0.2.1", "2001:db8::1"])
    }

    @Test("keeps nothing of one range when another has no address")
    func allOrNothing() throws {
        let ledger = try ledger("192.0.2.0/29", "2001:db8::/127")
        _ = attach(ledger, "a")
        _ = attach(ledger, "b")
        for _ in 0..<10 { #expect(attach(ledger, "c") == .exhausted(try net("2001:db8::/127"), holders: 2)) }
        ledger.value.remove(id("a"), at: .zero)
        #expect(addresses(attach(ledger, "c", at: .seconds(30)))?.first == "192.0.2.3")
    }

    @Test("one call at a time is at work on an attachment, also one that waits for an address")
    func claims() throws {
        let ledger = try ledger("192.0.2.0/30")
        #expect(claim(ledger, "a"))
        #expect(!claim(ledger, "a"))
        #expect(claim(ledger, "a", "net1"))
        _ = attach(ledger, "a")
        ledger.value.remove(id("a"), at: .zero)
        #expect(!claim(ledger, "a"), "removing is not releasing")
        ledger.value.release(id("a"))
        #expect(claim(ledger, "a"))
    }

    @Test("what is being taken away holds its addresses until it is gone")
    func leaving() throws {
        let ledger = Box(
            PodLedger(attached: [], unanswered: [try record("old", "192.0.2.1")], resting: [:], rest: .seconds(30)))
        ledger.value.adopt(prefixes: [try net("192.0.2.0/30")], mtu: 1500, reserved: [])
        #expect(ledger.value.leaving == [id("old")])
        #expect(addresses(attach(ledger, "a")) == ["192.0.2.2"])
        #expect(attach(ledger, "b") == .exhausted(try net("192.0.2.0/30"), holders: 2))
        ledger.value.leave(id("a"))
        ledger.value.leave(id("never"))
        #expect(ledger.value.leaving == [id("a"), id("old")])
        ledger.value.remove(id("old"), at: .zero)
        #expect(ledger.value.leaving == [id("a")])
        #expect(addresses(attach(ledger, "b", at: .seconds(30))) == ["192.0.2.1"])
    }

    @Test("what rests goes on resting over a restart, and what is held is held")
    func restart() throws {
        let held = try record("old", "192.0.2.1")
        let ledger = try ledger("192.0.2.0/29", attached: [held], resting: [try ip("192.0.2.3"): .seconds(90)])
        for (name, address) in [("a", "192.0.2.2"), ("b", "192.0.2.4"), ("c", "192.0.2.5"), ("d", "192.0.2.6")] {
            #expect(addresses(attach(ledger, name, at: .seconds(100))) == [address])
        }
        #expect(attach(ledger, "e", at: .seconds(100)) == .resting(until: .seconds(120)))
        #expect(addresses(attach(ledger, "e", at: .seconds(120))) == ["192.0.2.3"])
    }

    @Test("a range that changes leaves what is held alone, and the new one is used at once")
    func otherRange() throws {
        let ledger = try ledger("192.0.2.0/30")
        _ = attach(ledger, "a")
        ledger.value.adopt(prefixes: [try net("198.51.100.0/30")], mtu: 1400, reserved: [])
        #expect(ledger.value.records[id("a")]?.attachment.addresses == [try ip("192.0.2.1")])
        #expect(addresses(attach(ledger, "b")) == ["198.51.100.1"])
        #expect(ledger.value.records[id("b")]?.attachment.mtu == 1400)
        ledger.value.remove(id("a"), at: .zero)
        ledger.value.adopt(prefixes: [try net("192.0.2.0/30")], mtu: 1400, reserved: [])
        #expect(addresses(attach(ledger, "c")) == ["192.0.2.2"], "192.0.2.1 rests, also outside the range")
    }

    @Test("since when an address rested is forgotten when it no longer matters")
    func forgets() throws {
        let ledger = try ledger("2001:db8::/64")
        _ = attach(ledger, "a")
        ledger.value.remove(id("a"), at: .seconds(10))
        let forgotten = [310, 311].map { ledger.value.forgetRested(at: .seconds($0)) }
        #expect(forgotten == [[], [try ip("2001:db8::1")]])
        #expect(ledger.value.resting == [:])
    }

    @Test("random histories give no address twice and lose none", arguments: 0..<20)
    func histories(_ turn: Int) throws {
        var dice = Dice()
        let prefixes = turn % 2 == 0 ? ["192.0.2.0/28"] : ["192.0.2.0/28", "2001:db8::/124"]
        func fresh(_ ledger: PodLedger) throws -> PodLedger {
            var next = PodLedger(attached: Array(ledger.records.values), resting: ledger.resting, rest: .seconds(30))
            next.adopt(prefixes: try prefixes.map(net), mtu: 1500, reserved: [try ip("192.0.2.7")])
            return next
        }
        let ledger = Box(try fresh(PodLedger(attached: [], resting: [:], rest: .seconds(30))))
        var now = Duration.zero
        var freed: [IPAddress: Duration] = [:]
        for _ in 0..<400 {
            now += .seconds(Int.random(in: 0...4, using: &dice))
            let name = "c\(Int.random(in: 0..<24, using: &dice))"
            switch Int.random(in: 0..<10, using: &dice) {
            case 0..<5:
                guard case .attached(let record) = attach(ledger, name, at: now) else { break }
                for address in record.attachment.addresses {
                    #expect(freed[address].map { now - $0 >= .seconds(30) } ?? true, "\(address) did not rest; seed \(dice.seed)")
                }
            case 5..<9:
                for address in ledger.value.records[id(name)]?.attachment.addresses ?? [] { freed[address] = now }
                ledger.value.remove(id(name), at: now)
            default: ledger.value = try fresh(ledger.value)
            }
            let held = ledger.value.records.values.flatMap(\.attachment.addresses)
            try #require(Set(held).count == held.count, "an address given twice; seed \(dice.seed)")
        }
        // Once everything has rested, exactly the capacity can be had: 16 less network, broadcast and the reserved one.
        now += .seconds(30)
        var count = ledger.value.records.count
        while case .attached = attach(ledger, "last\(count)", at: now) { count += 1 }
        #expect(count == 13, "seed \(dice.seed)")
    }
}
