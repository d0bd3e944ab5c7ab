import Addressing
import NFTables
import Testing

@Suite("values")
struct ValueTests {
    @Test("bytes lead back to themselves, whether they lie in the value or beside it", arguments: 0...64)
    func roundTrip(_ count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: 255 - $0) }
        let value = Value(bytes)
        #expect(value.count == count)
        #expect(value.bytes == bytes)
        #expect(value.withBytes { Array($0) } == bytes)
        #expect(value == Value(bytes) && value.hashValue == Value(bytes).hashValue)
        #expect(value.description == "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }

    @Test("order and equality are those of the bytes", arguments: Seed.fresh(8))
    func order(_ seed: Seed) {
        var seed = seed
        let values = (0..<60).map { _ in
            // Long common beginnings, and zeros, which fill what is not there.
            let count = [0, 1, 4, 15, 16, 17, 31, 32, 33, 48, 64][seed.number(below: 11)]
            return (0..<count).map { UInt8($0 < count - 2 ? 0 : seed.number(below: 2)) }
        }
        for a in values {
            for b in values {
                #expect((Value(a) == Value(b)) == (a == b), "\(a) \(b)")
                #expect((Value(a) < Value(b)) == slow(a, b), "\(a) \(b)")
            }
        }
    }

    /// Byte by byte; of equal beginnings the shorter first.
    private func slow(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        for (x, y) in zip(a, b) where x != y { return x < y }
        return a.count < b.count
    }

    @Test("one field stands as it is, several are padded to four bytes each")
    func fields() throws {
        #expect(Value(.port(0x1234)).bytes == [0x12, 0x34])
        #expect(Value(.transport(.udp)).bytes == [17])
        #expect(Value(.mac(MACAddress(rawValue: 0x0200_0000_0001))).bytes == [2, 0, 0, 0, 0, 1])
        #expect(Value(.transport(.udp), .port(53)).bytes == [17, 0, 0, 0, 0, 53, 0, 0])
        #expect(Value(.mac(.zero), .port(1)).count == 12)
        #expect(try Value(.address(#require(IPAddress("192.0.2.1"))), .port(80)).bytes == [192, 0, 2, 1, 0, 80, 0, 0])
        #expect(Value(.interfaceName("eth0")).bytes == Array("eth0".utf8) + Array(repeating: 0, count: 12))
        #expect(Value(.mark(1)).bytes == withUnsafeBytes(of: UInt32(1)) { Array($0) })
        #expect(Value(fields: []).bytes == [])
    }
}
