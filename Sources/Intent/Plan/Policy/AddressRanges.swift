import Addressing
import KubeAPI

/// Addresses of one family, as ranges that neither overlap nor touch, in order.
struct AddressRanges: Hashable, Sendable {
    let family: IPFamily
    private(set) var ranges: [ClosedRange<UInt128>] = []

    /// The union of these blocks, each without its exceptions.
    init(_ family: IPFamily, _ blocks: [(prefix: IPPrefix, except: [IPPrefix])]) {
        self.family = family
        let all = blocks.filter { $0.prefix.family == family }.flatMap { block in
            let holes = block.except.filter { $0.family == family && $0.overlaps(block.prefix) }.map(\.numbers)
                .sorted { $0.lowerBound < $1.lowerBound }
            return Self.rest(of: block.prefix.numbers, without: holes)
        }
        for range in all.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            guard let last = ranges.last, last.upperBound == .max || range.lowerBound <= last.upperBound + 1 else {
                ranges.append(range)
                continue
            }
            ranges[ranges.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
        }
    }

    /// - Parameter holes: in order; they may overlap.
    private static func rest(of whole: ClosedRange<UInt128>, without holes: [ClosedRange<UInt128>]) -> [ClosedRange<UInt128>] {
        var rest: [ClosedRange<UInt128>] = []
        var next = whole.lowerBound
        for hole in holes where hole.upperBound >= next {
            if hole.lowerBound > next { rest.append(next...(hole.lowerBound - 1)) }
            guard hole.upperBound < whole.upperBound else { return rest }
            next = hole.upperBound + 1
        }
        return rest + [next...whole.upperBound]
    }

    var isEmpty: Bool { ranges.isEmpty }
    var isEverything: Bool { ranges == [IPPrefix.all(family).numbers] }
}

extension IPPrefix {
    fileprivate var numbers: ClosedRange<UInt128> { address.number...last.number }
}
