import Testing

@testable import DNS

@Suite("the tree behind a zone")
struct NameTreeTests {
    /// Few bits make many keys fall together, also in all 64 of them; the last shift makes them part on the deepest level only.
    @Test("it holds what a dictionary would, whatever the hashes are", arguments: [UInt64.max, 0x3F, 0xFFF, 0, 0x7 << 61])
    func likeADictionary(_ mask: UInt64) {
        let seed = UInt64.random(in: 0...(.max))
        var dice = SeededDice(seed)
        var tree = NameTree()
        var model: [[UInt8]: Int] = [:]
        for step in 0..<3000 {
            let key = [UInt8(dice.below(200)), UInt8(dice.below(2))]
            let value = dice.chance(3) ? nil : step
            set(&tree, value, hash(key, mask), key)
            model[key] = value
            guard step % 100 == 0 else { continue }
            #expect(tree.count == model.count, "seed \(seed) step \(step)")
            var found: [[UInt8]: Int] = [:]
            tree.forEach { found[Array($0.key)] = read($0) }
            #expect(found == model, "seed \(seed) step \(step)")
            for first in 0..<200 as Range<UInt8> {
                for second in 0..<2 as Range<UInt8> {
                    #expect(
                        tree.entry(hash([first, second], mask), [first, second]).map(read) == model[[first, second]],
                        "seed \(seed)")
                }
            }
        }
    }

    @Test("a changed copy leaves the original as it was")
    func copies() {
        var tree = NameTree()
        for number in 0..<1000 { set(&tree, number, hash(key(number), .max), key(number)) }
        let before = tree
        for number in 0..<1000 { set(&tree, number % 2 == 0 ? nil : number + 5000, hash(key(number), .max), key(number)) }
        for number in 0..<1000 {
            #expect(before.entry(hash(key(number), .max), key(number)).map(read) == number)
            #expect(tree.entry(hash(key(number), .max), key(number)).map(read) == (number % 2 == 0 ? nil : number + 5000))
        }
        #expect(before.count == 1000 && tree.count == 500)
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
        for number in numbers { set(&tree, nil, hash(key(number), mask), key(number)) }
        #expect(tree.count == 0 && tree.leafCount == 1)
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
