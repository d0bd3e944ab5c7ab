/// A regular expression as Go and RE2 write it, searched for in time that grows with the text and with the pattern, never
/// faster.
///
/// A matcher that goes back and tries again, as Swift's own, takes `^(a+)+$` against `aaaa…b` longer than anybody lives, and
/// patterns come from whoever may define a kind. Here all ways through the pattern are followed at once (Thompson 1968), so
/// there are no back references and no looking around, as in RE2.
///
/// ```
///   text ─► LinearPatternParser ─► Node ─► Step, Step, Step … ─► a set of places, moved on with each character
/// ```
struct LinearPattern: Sendable {
    /// What it was made of.
    let source: String
    private let steps: [Step]

    /// More are refused: the steps are what each character of a text may cost.
    static let largest = 10_000

    /// Why a pattern is refused.
    struct Fault: Error, Hashable, CustomStringConvertible {
        var description: String
    }

    enum Place: Hashable, Sendable {
        case textStart, textEnd, lineStart, lineEnd, wordBoundary, noWordBoundary

        func holds(after before: UInt32?, before next: UInt32?) -> Bool {
            switch self {
            case .textStart: before == nil
            case .textEnd: next == nil
            case .lineStart: before == nil || before == 10
            case .lineEnd: next == nil || next == 10
            case .wordBoundary: Self.isWord(before) != Self.isWord(next)
            case .noWordBoundary: Self.isWord(before) == Self.isWord(next)
            }
        }

        private static func isWord(_ scalar: UInt32?) -> Bool {
            guard let scalar else { return false }
            return CharacterSet.word.contains { $0.contains(scalar) }
        }
    }

    indirect enum Node: Sendable {
        case empty
        case one(CharacterSet)
        case place(Place)
        case sequence([Node])
        case choice([Node])
        case repeated(Node, atLeast: Int, atMost: Int?)
    }

    private enum Step: Sendable {
        case one(CharacterSet)
        case place(Place)
        case fork(Int, Int)
        case jump(Int)
        case found
    }

    init(_ source: String) throws(Fault) {
        self.source = source
        guard source.utf8.count <= Self.largest * 6 else { throw Fault(description: "expression too large") }
        var parser = LinearPatternParser(source)
        var steps: [Step] = []
        try Self.write(parser.pattern(), to: &steps)
        steps.append(.found)
        self.steps = steps
    }

    private static func write(_ node: Node, to steps: inout [Step]) throws(Fault) {
        guard steps.count < largest else { throw Fault(description: "expression too large") }
        switch node {
        case .empty: break
        case .one(let set): steps.append(.one(set))
        case .place(let place): steps.append(.place(place))
        case .sequence(let nodes): for node in nodes { try write(node, to: &steps) }
        case .choice(let nodes):
            var ends: [Int] = []
            for node in nodes.dropLast() {
                let fork = steps.count
                steps.append(.jump(0))
                try write(node, to: &steps)
                ends.append(steps.count)
                steps.append(.jump(0))
                steps[fork] = .fork(fork + 1, steps.count)
            }
            if let last = nodes.last { try write(last, to: &steps) }
            for end in ends { steps[end] = .jump(steps.count) }
        case .repeated(let node, let least, let most):
            for _ in 0..<least {
                let before = steps.count
                try write(node, to: &steps)
                // Nothing, however often, is nothing.
                if steps.count == before { break }
            }
            if let most { try writeOptional(node, max(0, most - least), to: &steps) } else { try writeLoop(node, to: &steps) }
        }
    }

    private static func writeLoop(_ node: Node, to steps: inout [Step]) throws(Fault) {
        let fork = steps.count
        steps.append(.jump(0))
        try write(node, to: &steps)
        steps.append(.jump(fork))
        steps[fork] = .fork(fork + 1, steps.count)
    }

    private static func writeOptional(_ node: Node, _ count: Int, to steps: inout [Step]) throws(Fault) {
        var forks: [Int] = []
        for _ in 0..<count {
            forks.append(steps.count)
            steps.append(.jump(0))
            try write(node, to: &steps)
        }
        for fork in forks { steps[fork] = .fork(fork + 1, steps.count) }
    }
}

extension LinearPattern: Hashable {
    static func == (a: Self, b: Self) -> Bool { a.source == b.source }
    func hash(into hasher: inout Hasher) { hasher.combine(source) }
}

// MARK: - Searching

extension LinearPattern {
    /// Whether the text has the pattern anywhere in it.
    func isFound(in text: String) -> Bool {
        var search = Search(size: steps.count)
        var before: UInt32?
        for scalar in text.unicodeScalars {
            if search.settle(steps, after: before, before: scalar.value) { return true }
            search.move(steps, over: scalar.value)
            before = scalar.value
        }
        return search.settle(steps, after: before, before: nil)
    }

    /// The steps that may come next at one place of the text, each once.
    private struct Search {
        private var waiting: [Int] = []
        /// The steps that take a character.
        private var ready: [Int] = []
        /// The round in which a step was last reached.
        private var seen: [Int]
        private var round = 0

        init(size: Int) { seen = Array(repeating: 0, count: size) }

        /// Follows everything that takes no character, and says whether that is the end of the pattern.
        mutating func settle(_ steps: [Step], after before: UInt32?, before next: UInt32?) -> Bool {
            round += 1
            ready.removeAll(keepingCapacity: true)
            // The pattern may begin at any place.
            waiting.append(0)
            while let step = waiting.popLast() {
                guard seen[step] != round else { continue }
                seen[step] = round
                switch steps[step] {
                case .found: return true
                case .one: ready.append(step)
                case .jump(let target): waiting.append(target)
                case .fork(let a, let b): waiting += [a, b]
                case .place(let place): if place.holds(after: before, before: next) { waiting.append(step + 1) }
                }
            }
            return false
        }

        mutating func move(_ steps: [Step], over scalar: UInt32) {
            for step in ready {
                if case .one(let set) = steps[step], set.contains(scalar) { waiting.append(step + 1) }
            }
        }
    }
}

// MARK: - Characters

extension LinearPattern {
    /// What one character of a text may be.
    struct CharacterSet: Hashable, Sendable {
        var ranges: [ClosedRange<UInt32>] = []
        var categories: [Categories] = []
        var isNegated = false
        var ignoresCase = false

        struct Categories: Hashable, Sendable {
            var names: Set<Unicode.GeneralCategory>
            var isNegated: Bool
        }

        func contains(_ scalar: UInt32) -> Bool {
            var isInside = holds(scalar)
            if !isInside, ignoresCase, let character = Unicode.Scalar(scalar) {
                let properties = character.properties
                for other in [properties.lowercaseMapping, properties.uppercaseMapping] {
                    guard other.unicodeScalars.count == 1, let folded = other.unicodeScalars.first else { continue }
                    isInside = isInside || holds(folded.value)
                }
            }
            return isInside != isNegated
        }

        private func holds(_ scalar: UInt32) -> Bool {
            if ranges.contains(where: { $0.contains(scalar) }) { return true }
            guard !categories.isEmpty, let category = Unicode.Scalar(scalar)?.properties.generalCategory else { return false }
            return categories.contains { $0.names.contains(category) != $0.isNegated }
        }

        static let digit: [ClosedRange<UInt32>] = [0x30...0x39]
        static let space: [ClosedRange<UInt32>] = [0x09...0x0A, 0x0C...0x0D, 0x20...0x20]
        static let word: [ClosedRange<UInt32>] = [0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A]

        /// Everything that is not in these ranges.
        static func others(than ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
            var (result, next): ([ClosedRange<UInt32>], UInt32) = ([], 0)
            for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
                if range.lowerBound > next { result.append(next...range.lowerBound - 1) }
                next = max(next, range.upperBound + 1)
            }
            if next <= 0x10FFFF { result.append(next...0x10FFFF) }
            return result
        }
    }
}
