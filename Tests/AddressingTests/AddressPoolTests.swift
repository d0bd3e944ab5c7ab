import Addressing
import Testing

@Suite("the address pool")
struct AddressPoolTests {
    private func pool(_ prefix: String, reserved: [String] = []) throws -> AddressPool<Int> {
        let reserved = try Set(reserved.map { try #require(IPAddress($0)) })
        return AddressPool(try #require(IPPrefix(prefix)), reserved: reserved)
    }

    @Test(
        "a prefix gives all its addresses but those that mean something else, in order, and then no more",
        arguments: [
            ("192.0.2.0/29", ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6"]),
            ("192.0.2.4/30", ["192.0.2.5", "192.0.2.6"]),
            ("192.0.2.4/31", ["192.0.2.4", "192.0.2.5"]),  // RFC 3021
            ("192.0.2.4/32", ["192.0.2.4"]),
            ("255.255.255.254/31", ["255.255.255.254", "255.255.255.255"]),
            ("2001:db8::/126", ["2001:db8::1", "2001:db8::2", "2001:db8::3"]),  // no broadcast in IPv6
            ("2001:db8::/127", ["2001:db8::", "2001:db8::1"]),  // RFC 6164
            ("2001:db8::5/128", ["2001:db8::5"]),
            (
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127",
                ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
            ),
        ])
    func everything(_ prefix: String, _ addresses: [String]) throws {
        var pool = try pool(prefix)
        #expect(pool.capacity == UInt128(addresses.count))
        for (holder, address) in addresses.enumerated() {
            let expected = try #require(IPAddress(address))
            same(pool.take(for: holder, at: .zero), .taken(expected))
            #expect(pool.isHeld(expected) && pool.holders[expected] == holder)
        }
        same(pool.take(for: 99, at: .seconds(1000)), .exhausted)
    }

    @Test("reserved addresses are passed over and cannot be asked for; those of another prefix count for nothing")
    func reserved() throws {
        var pool = try pool("192.0.2.0/29", reserved: ["192.0.2.1", "192.0.2.3", "203.0.113.1", "::1"])
        #expect(pool.capacity == 4)
        try same(pool.take(for: 1, at: .zero), .taken(#require(IPAddress("192.0.2.2"))))
        try same(pool.take(for: 2, at: .zero), .taken(#require(IPAddress("192.0.2.4"))))
        for refused in ["192.0.2.0", "192.0.2.1", "192.0.2.7", "192.0.2.8", "203.0.113.1", "::1", "::ffff:192.0.2.5"] {
            try same(pool.take(#require(IPAddress(refused)), for: 3), false)
        }
        #expect(
            try AddressPool<Int>(#require(IPPrefix("192.0.2.4/32")), reserved: [#require(IPAddress("192.0.2.4"))]).capacity == 0)
    }

    @Test("an address that was given back rests while others are fresh, then the one that rested longest comes first")
    func rests() throws {
        var pool = try pool("192.0.2.0/29")
        let addresses = try (1...6).map { try #require(IPAddress("192.0.2.\($0)")) }
        for holder in 0..<3 { _ = pool.take(for: holder, at: .zero) }
        pool.release(addresses[1], at: .seconds(10))
        pool.release(addresses[0], at: .seconds(20))
        for next in 3..<6 { same(pool.take(for: next, at: .seconds(21)), .taken(addresses[next])) }
        same(pool.take(for: 7, at: .seconds(39)), .resting(until: .seconds(40)))
        same(pool.take(for: 7, at: .seconds(40)), .taken(addresses[1]))
        same(pool.take(for: 8, at: .seconds(40)), .resting(until: .seconds(50)))
        same(pool.take(for: 8, at: .seconds(999)), .taken(addresses[0]))
        same(pool.take(for: 9, at: .seconds(999)), .exhausted)
    }

    @Test("an address asked for by name is given although it rests, but not while another holds it")
    func byName() throws {
        var pool = try pool("192.0.2.0/29")
        let address = try #require(IPAddress("192.0.2.1"))
        same(pool.take(address, for: 1), true)
        same(pool.take(address, for: 1), true)
        same(pool.take(address, for: 2), false)
        pool.release(address, at: .zero)
        same(pool.take(address, for: 2), true)
        try same(pool.take(for: 3, at: .zero), .taken(#require(IPAddress("192.0.2.2"))))
    }

    @Test("giving back what nobody holds changes nothing")
    func strangers() throws {
        var pool = try pool("192.0.2.4/31")
        for text in ["192.0.2.4", "203.0.113.1", "::1"] { pool.release(try #require(IPAddress(text)), at: .zero) }
        try same(pool.take(for: 1, at: .zero), .taken(#require(IPAddress("192.0.2.4"))))
    }

    @Test("of two records of one address's rest the later one counts, whichever is read first", arguments: [true, false])
    func records(_ laterFirst: Bool) throws {
        var pool = try pool("192.0.2.4/32")
        let address = try #require(IPAddress("192.0.2.4"))
        for since in laterFirst ? [50, 10] : [10, 50] { pool.rest(address, since: .seconds(since)) }
        same(pool.take(for: 1, at: .seconds(60)), .resting(until: .seconds(80)))
    }

    @Test("any history gives what a slow model of the contract allows", arguments: Seed.fresh(12))
    func oracle(_ seed: Seed) throws {
        var seed = seed
        let texts = ["192.0.2.0/28", "192.0.2.0/30", "192.0.2.4/31", "192.0.2.4/32", "2001:db8::/124", "2001:db8::/127"]
        let prefix = try #require(IPPrefix(texts[seed.number(below: texts.count)]))
        let reserved = Set((0..<seed.number(below: 3)).map { _ in prefix.address.advanced(by: UInt128(seed.number(below: 16))) })
        var pool = AddressPool<Int>(prefix, reserved: reserved, rest: .seconds(30))
        var model = SlowPool(prefix, reserved: reserved)
        var now = Duration.zero
        for holder in 0..<400 {
            now += .seconds(seed.number(below: 12))
            let any = prefix.address.advanced(by: UInt128(seed.number(below: 17)))
            switch seed.number(below: 10) {
            case 0..<5:
                let offer = pool.offer(at: now)
                let taking = pool.take(for: holder, at: now)
                #expect(offer == taking)
                same(taking, model.take(for: holder, at: now))
            case 5..<8:
                let victim = model.holders.keys.sorted().randomElement(using: &seed) ?? any
                pool.release(victim, at: now)
                model.release(victim, at: now)
            case 8: same(pool.take(any, for: holder), model.take(any, for: holder))
            default:
                let since = now - .seconds(seed.number(below: 60))
                pool.rest(any, since: since)
                model.rest(any, since: since)
            }
            try #require(pool.holders == model.holders)
            #expect(UInt128(pool.holders.count) <= pool.capacity)
        }
    }
}

/// `#expect` cannot look into a call that changes its object.
private func same<Value: Equatable>(_ actual: Value, _ wanted: Value, sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(actual == wanted, sourceLocation: sourceLocation)
}

/// The contract said slowly: a list of all addresses with what each is.
private struct SlowPool {
    private enum Condition {
        case fresh
        case held(Int)
        case resting(Duration)
    }

    private var all: [(address: IPAddress, condition: Condition)]
    /// The place of the last address that was given in turn.
    private var last = -1

    init(_ prefix: IPPrefix, reserved: Set<IPAddress>) {
        let count = Int(prefix.count ?? 0)
        let isTiny = count <= 2
        all = (0..<count).compactMap { offset in
            let address = prefix.address.advanced(by: UInt128(offset))
            let meansMore = !isTiny && (offset == 0 || prefix.family == .v4 && offset == count - 1)
            return meansMore || reserved.contains(address) ? nil : (address, .fresh)
        }
    }

    var holders: [IPAddress: Int] {
        all.reduce(into: [:]) { if case .held(let holder) = $1.condition { $0[$1.address] = holder } }
    }

    mutating func take(for holder: Int, at now: Duration) -> AddressPool<Int>.Taking {
        for place in all.indices where place > last {
            guard case .fresh = all[place].condition else { continue }
            last = place
            all[place].condition = .held(holder)
            return .taken(all[place].address)
        }
        let resting = all.indices.compactMap { place -> (since: Duration, place: Int)? in
            if case .resting(let since) = all[place].condition { (since, place) } else { nil }
        }
        guard let oldest = resting.min(by: { $0 < $1 }) else { return .exhausted }
        guard now >= oldest.since + .seconds(30) else { return .resting(until: oldest.since + .seconds(30)) }
        all[oldest.place].condition = .held(holder)
        return .taken(all[oldest.place].address)
    }

    mutating func take(_ address: IPAddress, for holder: Int) -> Bool {
        guard let place = all.firstIndex(where: { $0.address == address }) else { return false }
        if case .held(let other) = all[place].condition, other != holder { return false }
        all[place].condition = .held(holder)
        return true
    }

    mutating func release(_ address: IPAddress, at now: Duration) {
        guard let place = all.firstIndex(where: { $0.address == address }), case .held = all[place].condition else { return }
        all[place].condition = .resting(now)
    }

    mutating func rest(_ address: IPAddress, since: Duration) {
        guard let place = all.firstIndex(where: { $0.address == address }) else { return }
        switch all[place].condition {
        case .held: return
        case .fresh: all[place].condition = .resting(since)
        case .resting(let known): all[place].condition = .resting(max(known, since))
        }
    }
}
