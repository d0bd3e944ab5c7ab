import Reconcile
import Testing

@Suite("the keyed difference")
struct KeyedDifferenceTests {
    @Test("what is in one is added or removed, what differs is changed, what is equal is not named")
    func kinds() {
        let difference = KeyedDifference(from: ["a": 1, "b": 2, "c": 3], to: ["b": 2, "c": 4, "d": 5])
        #expect(difference.removed.map(\.key) == ["a"] && difference.removed.map(\.value) == [1])
        #expect(difference.added.map(\.key) == ["d"] && difference.added.map(\.value) == [5])
        #expect(
            difference.changed.map(\.key) == ["c"] && difference.changed.map(\.old) == [3] && difference.changed.map(\.new) == [4]
        )
        #expect(!difference.isEmpty)
    }

    @Test("applying the difference to the old gives the new, and names each key once", arguments: Seed.fresh(8))
    func applies(_ seed: Seed) {
        var seed = seed
        for _ in 0..<100 {
            let (old, new) = (random(&seed), random(&seed))
            let difference = KeyedDifference(from: old, to: new)
            var result = old
            for entry in difference.removed { #expect(result.removeValue(forKey: entry.key) == entry.value) }
            for entry in difference.added { #expect(result.updateValue(entry.value, forKey: entry.key) == nil) }
            for entry in difference.changed {
                #expect(entry.old != entry.new)
                #expect(result.updateValue(entry.new, forKey: entry.key) == entry.old)
            }
            #expect(result == new)
            #expect(difference.isEmpty == (old == new))
            #expect(KeyedDifference(from: old, to: old).isEmpty)
            let sorted = difference.sorted()
            #expect(sorted.added.map(\.key) == difference.added.map(\.key).sorted())
            #expect(sorted.removed.map(\.key) == difference.removed.map(\.key).sorted())
            #expect(sorted.changed.map(\.key) == difference.changed.map(\.key).sorted())
        }
    }

    private func random(_ seed: inout Seed) -> [Int: Int] {
        var result: [Int: Int] = [:]
        for _ in 0..<seed.number(below: 12) { result[seed.number(below: 10)] = seed.number(below: 3) }
        return result
    }
}
