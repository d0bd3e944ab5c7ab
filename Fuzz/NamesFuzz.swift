import Addressing
import DNS
import Glibc

// What libFuzzer calls: hostile bytes as a message, as a query, and as a stream. It must neither trap nor say what is not so.

private let zones = Seeds.zones()
private let aliases = [DomainName("web.shop.svc.cluster.local"), DomainName("example.org"), DomainName("no.cluster.local")]
    .compactMap { $0 }

@_cdecl("LLVMFuzzerInitialize")
public func initialize(_ count: UnsafeMutablePointer<CInt>, _ words: UnsafeMutableRawPointer) -> CInt {
    // Asked for the seeds, it writes them and ends.
    if let directory = getenv("NAMES_FUZZ_SEEDS") {
        Seeds.write(to: String(cString: directory))
        exit(0)
    }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    readAndWrite(bytes)
    answer(bytes)
    stream(bytes)
    return 0
}

/// What is read can be written, and is then read as the same.
private func readAndWrite(_ bytes: [UInt8]) {
    guard let message = try? Message(bytes) else { return }
    let written = message.bytes()
    guard let again = try? Message(written) else { fatalError("our own message cannot be read:\n\(message)") }
    precondition(again.header.isTruncated || again == message, "a message changed:\n\(message)\n\(again)")
    _ = message.description
    precondition(message.bytes(limit: 512).count <= 512, "a message is longer than its limit")
}

private func answer(_ bytes: [UInt8]) {
    for (transport, limit) in [(Circumstances.Transport.udp, 1232), (.tcp, 65_535)] {
        var answering = Answering()
        for forwards in [false, true] {
            let circumstances = Circumstances(transport, forwards: forwards, truncation: forwards ? .wholeSets : .records)
            withUnsafeTemporaryAllocation(byteCount: limit, alignment: 8) { memory in
                let outcome = answering.answer(bytes.span, from: zones, circumstances, into: memory)
                judge(outcome, bytes, memory, limit)
                #if PLANTED
                    // In none of the seeds.
                    if answering.query?.type == RecordType(rawValue: 17) { fatalError("planted") }
                #endif
                if case .answer(let count) = answering.putOff(bytes.span, circumstances, into: memory) {
                    judge(.answer(count), bytes, memory, limit)
                }
                guard let query = answering.query else { return }
                let name = query.name(in: bytes.span)
                precondition(DomainName(wire: name.wire) == name, "a name is none: \(name)")
                for alias in aliases {
                    let outcome = answering.answer(
                        query, bytes.span, asAliasOf: alias, ttl: 5, from: zones, circumstances, into: memory)
                    judge(outcome, bytes, memory, limit)
                    if case .outside = outcome { fatalError("an alias of ours is left out") }
                }
            }
        }
    }
}

/// An answer is a message, to this very query, no longer than it may be.
private func judge(_ outcome: Outcome, _ query: [UInt8], _ memory: UnsafeMutableRawBufferPointer, _ limit: Int) {
    let count = outcome.count
    guard count > 0 else { return }
    precondition(count <= limit, "an answer is longer than its limit")
    guard let message = try? Message(Array(memory[..<count])) else {
        fatalError("our own answer cannot be read: \(Array(memory[..<count]))")
    }
    precondition(
        message.header.isResponse && message.header.id == UInt16(query[0]) << 8 | UInt16(query[1]), "no answer to this query")
}

/// However a stream is cut, the same messages come out of it.
private func stream(_ bytes: [UInt8]) {
    var (whole, cut) = (StreamFraming(), StreamFraming())
    whole.append(bytes)
    var (first, second): ([[UInt8]], [[UInt8]]) = ([], [])
    while let message = whole.next() { first.append(message) }
    for byte in bytes.prefix(300) {
        cut.append([byte])
        while let message = cut.next() { second.append(message) }
    }
    precondition(first.starts(with: second), "a stream that is cut otherwise holds other messages")
}
