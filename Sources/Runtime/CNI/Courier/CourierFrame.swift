/// How requests and responses lie on the stream, and in a file of the queue.
///
/// ```
///   0      4        6      8        12       16
///   │ TULL │ version │ kind │ first  │ second │ first bytes … │ second bytes … │
/// ```
/// Numbers are in network order. In a request, first is the environment (`KEY=VALUE` and a zero byte each) and second the
/// input; the namespace's descriptor comes with the first byte. In a response, first is the exit status and second the output.
enum CourierFrame {
    /// Raised when either side could no longer understand the other.
    static let version: UInt16 = 1
    static let headerSize = 16
    static let environmentLimit = 64 << 10
    static let outputLimit = NetworkConfiguration.sizeLimit

    enum Kind: UInt16 {
        case request = 1
        case response = 2
    }

    struct Header: Hashable, Sendable {
        var kind: Kind
        var first: Int
        var second: Int
    }
}

/// Why bytes are no frame of ours.
public enum CourierMalformation: Error, Hashable, Sendable {
    /// It does not begin as a frame does.
    case foreign
    /// The other side speaks this version of the protocol: it comes from another release.
    case version(UInt16)
    /// The kind that was not awaited here.
    case kind(UInt16)
    /// More bytes announced than we take.
    case tooLarge(Int)
    /// It ends before its announced end.
    case short
    /// A piece of the environment without `=`, or not UTF-8.
    case environment
}

extension CourierFrame {
    private static let magic: [UInt8] = Array("TULL".utf8)

    static func header(_ kind: Kind, _ first: Int, _ second: Int) -> [UInt8] {
        magic + bigEndian(version) + bigEndian(kind.rawValue) + bigEndian(UInt32(first)) + bigEndian(UInt32(second))
    }

    /// Reads a header; the sizes are within their limits.
    static func header(_ bytes: some Collection<UInt8>, awaiting kind: Kind) throws(CourierMalformation) -> Header {
        guard bytes.count == headerSize else { throw .short }
        guard bytes.prefix(4).elementsEqual(magic) else { throw .foreign }
        let found = UInt16(number(bytes, at: 4, size: 2))
        guard found == version else { throw .version(found) }
        let foundKind = UInt16(number(bytes, at: 6, size: 2))
        guard foundKind == kind.rawValue else { throw .kind(foundKind) }
        let (first, second) = (number(bytes, at: 8, size: 4), number(bytes, at: 12, size: 4))
        if kind == .request, first > environmentLimit { throw .tooLarge(first) }
        if kind == .response, first > UInt8.max { throw .foreign }
        guard second <= outputLimit else { throw .tooLarge(second) }
        return Header(kind: kind, first: first, second: second)
    }

    private static func bigEndian<N: FixedWidthInteger & UnsignedInteger>(_ number: N) -> [UInt8] {
        (0..<N.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> N(N.bitWidth - 8 - 8 * $0)) }
    }

    private static func number(_ bytes: some Collection<UInt8>, at offset: Int, size: Int) -> Int {
        bytes.dropFirst(offset).prefix(size).reduce(0) { $0 << 8 | Int($1) }
    }
}

// MARK: - Requests

extension CourierRequest {
    /// - Throws: when it is larger than the other side would take.
    func frame() throws(CourierMalformation) -> [UInt8] {
        var block: [UInt8] = []
        environment.forEach { variable, value in
            block += variable.rawValue.utf8
            block.append(UInt8(ascii: "="))
            block += value.utf8
            block.append(0)
        }
        guard block.count <= CourierFrame.environmentLimit else { throw .tooLarge(block.count) }
        guard input.count <= NetworkConfiguration.sizeLimit else { throw .tooLarge(input.count) }
        return CourierFrame.header(.request, block.count, input.count) + block + input
    }

    /// Reads what follows a header.
    init(_ header: CourierFrame.Header, body: [UInt8], namespace: NamespaceDescriptor?) throws(CourierMalformation) {
        guard body.count == header.first + header.second else { throw .short }
        var environment = Variables()
        for piece in body.prefix(header.first).split(separator: 0) {
            guard let text = String(validating: piece, as: UTF8.self), let equals = text.firstIndex(of: "=") else {
                throw .environment
            }
            // One of another release.
            guard let variable = Variable(rawValue: String(text[..<equals])) else { continue }
            environment.set(variable, to: String(text[text.index(after: equals)...]))
        }
        self.init(environment: environment, input: Array(body.dropFirst(header.first)), namespace: namespace)
    }

    /// Reads a whole frame, as it lies in a file.
    init(frame bytes: [UInt8]) throws(CourierMalformation) {
        let header = try CourierFrame.header(bytes.prefix(CourierFrame.headerSize), awaiting: .request)
        try self.init(header, body: Array(bytes.dropFirst(CourierFrame.headerSize)), namespace: nil)
    }
}

// MARK: - Responses

extension CourierResponse {
    /// An output that is too large becomes a failure: it is our own agent's mistake, and the runtime must hear of it.
    func frame() -> [UInt8] {
        guard output.count <= CourierFrame.outputLimit else {
            let failure = Failure(.inputOutput, "the agent's answer has \(output.count) bytes, more than a courier carries")
            return CourierResponse.failure(failure, .latest).frame()
        }
        return CourierFrame.header(.response, Int(status), output.count) + output
    }
}
