import Testing

@testable import DNS

@Suite("the tree behind a zone")
struct NameTreeTests {
    /// Few bits make many keys fall together, also in all 64 of them; the last shift makes them part on the deepest level only.
    static let masks: [(mask: UInt64, keys: Int)] = [
        (.max, 3000), (0xF00F, 3000), (0x3F, 300), (0xFFF, 3000), (0, 200), (0x7 << 61, 300),
    ]

    @Test("it holds what a dictionary would, whatever the hashes are, while it grows and until nothing is left", arguments: masks)
    func likeADictionary(_ mask: UInt64, _ keys: Int) {
        let seed = UInt64.random(in: 0...(.max))
        var dice = SeededDice(seed)
        var tree = NameTree()
        var model: [[UInt8]: Int] = [:]
        let steps = keys * 3
        for step in 0..<steps {
            let key = key(dice.below(keys))
            let value = dice.below(6) < (step < steps / 2 ? 1 : 5) ? nil : step
            set(&tree, value, hash(key, mask), key)
            model[key] = value
            guard step % (steps / 8) == 0 else { continue }
            check(tree, model, mask, keys, "seed \(seed) step \(step)")
        }
        check(tree, model, mask, keys, "seed \(seed)")
        for key in model.keys.sorted(by: { $0.lexicographicallyPrecedes($1) }) { tree.remove(hash(key, mask), key) }
        #expect(tree.count == 0 && tree.leafCount == 1, "seed \(seed)")
    }

    @Test("a copy stays as it was whatever happens to others", arguments: [UInt64.max, 0xF00F, 0x7 << 61])
    func copies(_ mask: UInt64) {
        let seed = UInt64.random(in: 0...(.max))
        var dice = SeededDice(seed)
        let keys = 400
        var trees: [(tree: NameTree, model: [[UInt8]: Int])] = [(NameTree(), [:])]
        for step in 0..<2000 {
            // Some end, so that what they shared is another's alone.
            if step % 50 == 0 { trees.append(trees[dice.below(trees.count)]) }
            if trees.count > 8 { trees.remove(at: dice.below(trees.count)) }
            let (which, key) = (dice.below(trees.count), key(dice.below(keys)))
            let value = dice.chance(3) ? nil : step
            set(&trees[which].tree, value, hash(key, mask), key)
            trees[which].model[key] = value
        }
        for (tree, model) in trees { check(tree, model, mask, keys, "seed \(seed)") }
    }

    @Test("a tree that names left is as small as one that they never came to", arguments: [UInt64.max, 0xFFF])
    func shrinks(_ mask: UInt64) {
        var tree = NameTree()
        let numbers = 0..<5000 as Range<Int>
        for number in numbers { set(&tree, number, hash(key(number), mask), key(number)) }
        let most = tree.leafCount
        #expect(most > 5000 / 33)
        for number in numbers where number % 100 != 0 { set(&tree, nil, hash(key(number), mask), key(number)) }
        #expect(tree.count == 50 && tree.leafCount <= most / 10 + 1)
        for number in numbers {
            #expect(tree.entry(hash(key(number), mask), key(number)).map(read) == (number % 100 == 0 ? number : nil))
        }
    }

    @Test("large entries have leaves of their own, and changing one leaves the others where they are")
    func largeEntries() {
        var tree = NameTree()
        for number in 0..<16 as Range<Int> {
            var entry = PackedWriter(hash(key(number), .max), key: key(number))
            entry.append(UInt64(number))
            entry.append([UInt8](repeating: 0, count: 10_000))
            tree.set(entry.finished())
        }
        #expect(tree.leafCount >= 16)
        for number in 0..<16 as Range<Int> {
            #expect(tree.entry(hash(key(number), .max), key(number)).map(read) == number)
        }
    }

    private func check(_ tree: NameTree, _ model: [[UInt8]: Int], _ mask: UInt64, _ keys: Int, _ place: Comment) {
        #expect(tree.count == model.count, place)
        var found: [[UInt8]: Int] = [:]
        tree.forEach { found[Array($0.key)] = read($0) }
        #expect(found == model, place)
        let wrong = (0..<keys).filter { tree.entry(hash(key($0), mask), key($0)).map(read) != model[key($0)] }
        #expect(wrong == [], place)
    }

    private func set(_ tree: inout NameTree, _ value: Int?, _ hash: UInt64, _ key: [UInt8]) {
        guard let value else { return tree.remove(hash, key) }
        var entry = PackedWriter(hash, key: key)
        entry.append(UInt64(value))
        tree.set(entry.finished())
    }

    private func read(_ entry: Packed) -> Int { Int(entry.load(entry.valueStart, as: UInt64.self)) }

    private func key(_ number: Int) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }

    private func hash(_ key: [UInt8], _ mask: UInt64) -> UInt64 {
        var dice = SeededDice(UInt64(key[0]) << 8 | UInt64(key[1]))
        return dice.next() & mask
    }
}

@Suite("what a source says, name by name")
struct ContentPieceTests {
    @Test("names whose hashes are one are told apart, in any case of their letters")
    func collisions() throws {
        let names = try ["a.z", "b.z", "A.z", "c.z", "B.Z"].map { try #require(DomainName($0)) }
        let pieces = names.enumerated().map { number, name in
            ContentPiece(name: name, hash: number == 3 ? 1 : 7, kind: .record(.a, 5, [10, 0, 0, UInt8(number)]))
        }
        let shares = pieces.shares("s")
        #expect(shares.map(\.name) == [names[3], names[0], names[1]])
        #expect(shares.map(\.hash) == [1, 7, 7])
        #expect(
            shares.map { $0.share.sets.map(\.wires) } == [
                [[[10, 0, 0, 3]]], [[[10, 0, 0, 0], [10, 0, 0, 2]]], [[[10, 0, 0, 1], [10, 0, 0, 4]]],
            ])
    }

    @Test("a name may have sets of all types")
    func manyTypes() {
        let pieces = (0..<UInt16(20_000)).reversed().map {
            ContentPiece(name: .root, hash: 1, kind: .record(RecordType(rawValue: 1000 + $0), 5, [UInt8($0 & 255)]))
        }
        let sets = pieces.shares("s")[0].share.sets
        #expect(sets.map(\.type.rawValue) == Array(1000..<21_000))
    }

    @Test("a name is read as it stands in a packet, to its very last byte")
    func tails() throws {
        for length in 1...40 {
            let wire = [UInt8(length)] + (0..<length).map { UInt8(ascii: $0 % 2 == 0 ? "Q" : "q") } + [0]
            var key = NameKey()
            try key.read(wire.span, at: 0)
            let same = try NameKey(#require(DomainName(wire: wire)).lowercase)
            #expect(key.count == wire.count && key.suffix(depth: 1) == same.suffix(depth: 1) && key.hash == same.hash)
        }
    }
}
