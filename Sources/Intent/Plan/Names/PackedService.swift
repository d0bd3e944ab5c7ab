/// A service with its slices in one piece; either may be there without the other.
///
/// ```
///   0, or 1 + the service's length | service … | slice's name | slice's length | slice … | slice's name …
/// ```
/// Slices stand in the order of their names.
struct PackedService {
    let object: PackedObject
    /// Where the service is.
    private let serviceRange: Range<Int>?
    private let slicesStart: Int

    init(_ object: PackedObject) {
        var reader = object.reader
        self.object = object
        let count = reader.count()
        serviceRange = count == 0 ? nil : reader.range(count - 1)
        slicesStart = reader.position
    }

    /// - Parameter key: its name.
    init(emptyWith key: PackedObject) { self.init(key.with([0])) }

    var hasService: Bool { serviceRange != nil }
    var isEmpty: Bool { !hasService && slicesStart == object.bytes.count }
    var service: ArraySlice<UInt8>? { serviceRange.map { object.bytes[$0] } }

    func slice(_ name: String) -> ArraySlice<UInt8>? { place(ofSlice: name).content.map { object.bytes[$0] } }

    /// Where a slice is with its name; where it belongs, without a content, when it is not there.
    private func place(ofSlice name: String) -> (whole: Range<Int>, content: Range<Int>?) {
        var reader = PackedReader(object.bytes, at: slicesStart)
        while !reader.isAtEnd {
            let start = reader.position
            let other = object.bytes[reader.range(reader.count())]
            let content = reader.range(reader.count())
            if other.elementsEqual(name.utf8) { return (start..<content.upperBound, content) }
            if name.utf8.lexicographicallyPrecedes(other) { return (start..<start, nil) }
        }
        return (reader.position..<reader.position, nil)
    }

    /// Whether what a slice says gives other names than what it said.
    func minds(_ old: ArraySlice<UInt8>?, _ new: ArraySlice<UInt8>?) -> Bool {
        guard let first = service?.first, let service = named else { return false }
        switch NamedService.interest(packed: first) {
        case .none: return false
        case .hostnames where ![old, new].contains { $0?.first.map(NamedSlice.hasHostnames) ?? false }: return false
        case .hostnames, .all:
            func names(_ slice: ArraySlice<UInt8>?) -> NamedSlice? {
                guard let slice else { return nil }
                var reader = PackedReader(Array(slice), at: 0)
                return NamedSlice(&reader).named(in: service)
            }
            return names(old) != names(new)
        }
    }

    /// Whether another service in the place of this one gives the same names; who finds its endpoints is of no matter.
    func namesAlike(_ other: PackedService) -> Bool {
        guard let own = content, let other = other.content, own.service.kind == other.service.kind else { return false }
        return own.slices.compactMap { $0.named(in: own.service) } == other.slices.compactMap { $0.named(in: other.service) }
    }

    /// Whether anything has a name by it.
    var hasNames: Bool {
        guard let (service, slices) = content else { return false }
        switch service.kind {
        case .addressed(let addresses, _): return !addresses.isEmpty
        case .headless: return slices.contains { $0.named(in: service) != nil }
        case .alias: return true
        }
    }

    /// `nil` without a service.
    var named: NamedService? {
        serviceRange.map { range in
            var reader = PackedReader(object.bytes, range)
            return NamedService(&reader)
        }
    }

    /// `nil` without a service.
    var content: (service: NamedService, slices: [NamedSlice])? {
        guard let service = named else { return nil }
        var slices: [NamedSlice] = []
        var reader = PackedReader(object.bytes, at: slicesStart)
        while !reader.isAtEnd {
            _ = reader.range(reader.count())
            var slice = PackedReader(object.bytes, reader.range(reader.count()))
            slices.append(NamedSlice(&slice))
        }
        return (service, slices)
    }
}

// MARK: - Changed

extension PackedService {
    func withService(_ new: [UInt8]?) -> PackedService {
        var bytes: [UInt8] = []
        bytes.append(count: new.map { $0.count + 1 } ?? 0)
        bytes += new ?? []
        return PackedService(object.replacing(object.valueStart..<slicesStart, with: bytes))
    }

    func with(_ new: [UInt8]?, slice name: String) -> PackedService {
        var bytes: [UInt8] = []
        if let new {
            bytes.append(text: name)
            bytes.append(count: new.count)
            bytes += new
        }
        return PackedService(object.replacing(place(ofSlice: name).whole, with: bytes))
    }
}
