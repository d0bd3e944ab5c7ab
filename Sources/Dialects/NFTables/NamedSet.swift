/// A set of keys, or a map from keys to data or verdicts.
public struct NamedSet: Hashable, Sendable {
    public var shape: Shape
    /// Empty and of no concern for a ``Shape/isDynamic`` set: the packet path fills it.
    public var elements: [Value: Content]

    public var name: String { shape.name }

    public init(_ shape: Shape, _ elements: [Value: Content] = [:]) {
        self.shape = shape
        self.elements = elements
    }

    /// Everything but the elements. The kernel never changes a set's shape: another shape is another set.
    public struct Shape: Hashable, Sendable {
        public var name: String
        /// One type, or several for a concatenation.
        public var key: [FieldType]
        public var data: DataKind
        /// Elements are ranges: prefixes, port ranges.
        public var isInterval: Bool
        /// Elements come and go from the packet path (`NFT_SET_EVAL`, shown as `dynamic`).
        public var isDynamic: Bool
        /// Elements may run out; `defaultTimeout` applies to those that do not say when.
        public var hasTimeout: Bool
        public var defaultTimeout: Duration?
        /// The most elements it takes; `nil` for no limit (a dynamic set must have one).
        public var limit: UInt32?
        /// Each element counts the packets that found it. The numbers are the kernel's, and no part of the comparison.
        public var counts: Bool

        public init(
            _ name: String, key: [FieldType], data: DataKind = .none, isInterval: Bool = false, isDynamic: Bool = false,
            hasTimeout: Bool = false, defaultTimeout: Duration? = nil, limit: UInt32? = nil, counts: Bool = false
        ) {
            self.name = name
            self.key = key
            self.data = data
            self.isInterval = isInterval
            self.isDynamic = isDynamic
            self.hasTimeout = hasTimeout || defaultTimeout != nil
            self.defaultTimeout = defaultTimeout
            self.limit = limit
            self.counts = counts
        }
    }

    public enum DataKind: Hashable, Sendable {
        /// A set.
        case none
        /// A verdict map.
        case verdict
        /// A map to a value of these fields.
        case fields([FieldType])
    }

    /// What an element holds beside its key.
    public struct Content: Hashable, Sendable {
        public var data: Datum
        /// What few elements have lies elsewhere, because there are hundreds of thousands of those that have not.
        private var rarity: Rarity?

        public init(_ data: Datum = .none, last: Value? = nil, timeout: Duration? = nil) {
            self.data = data
            rarity = last == nil && timeout == nil ? nil : Rarity(last, timeout)
        }

        /// The last key of a range, for interval sets; `nil` for a range of one.
        public var last: Value? {
            get { rarity?.last }
            set { self = Content(data, last: newValue, timeout: timeout) }
        }

        public var timeout: Duration? {
            get { rarity?.timeout }
            set { self = Content(data, last: last, timeout: newValue) }
        }

        private final class Rarity: Hashable, Sendable {
            let last: Value?
            let timeout: Duration?

            init(_ last: Value?, _ timeout: Duration?) { (self.last, self.timeout) = (last, timeout) }

            static func == (a: Rarity, b: Rarity) -> Bool { a.last == b.last && a.timeout == b.timeout }
            func hash(into hasher: inout Hasher) {
                hasher.combine(last)
                hasher.combine(timeout)
            }
        }
    }

    public enum Datum: Hashable, Sendable {
        case none
        case verdict(Verdict)
        case value(Value)
    }
}

extension NamedSet.Shape {
    /// Bytes of a key in registers.
    public var keySize: Int { key.count == 1 ? key[0].size : key.reduce(0) { $0 + $1.paddedSize } }

    /// Bytes of a datum in registers; zero for sets and verdict maps.
    public var dataSize: Int {
        guard case .fields(let types) = data else { return 0 }
        return types.count == 1 ? types[0].size : types.reduce(0) { $0 + $1.paddedSize }
    }
}
