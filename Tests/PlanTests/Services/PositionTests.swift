import Addressing
import Testing

@testable import Plan

@Suite("the places of endpoints") struct PositionTests {
    @Test(
        "who stays keeps the place, who is new fills the holes, and the last ones move into what is left",
        arguments: [
            ("", "1 2 3", "1 2 3"),
            ("1 2 3", "1 2 3", "1 2 3"),
            ("3 1 2", "1 2 3", "3 1 2"),
            ("1 2 3", "1 2 3 4", "1 2 3 4"),
            ("1 2 3 4", "2 3 4", "4 2 3"),
            ("1 2 3 4", "1 2 3", "1 2 3"),
            ("1 2 3 4", "1 3", "1 3"),
            ("1 2 3 4", "4", "4"),
            ("1 2 3", "1 9 3", "1 9 3"),
            ("1 2 3", "7 8 9", "7 8 9"),
            ("1 2 3", "3 8 9 7", "8 9 3 7"),
            ("1 2 3", "", ""),
        ])
    func order(old: String, wanted: String, new: String) {
        #expect(text(Positions.order(of: addresses(wanted), after: addresses(old))) == new)
    }

    @Test("an order has exactly the wanted ones, and differs in no more places than it must", arguments: Seed.fresh(20))
    func random(seed: Seed) {
        var seed = seed
        var order: [SocketAddress] = []
        for _ in 0..<200 {
            let wanted = (0..<12).filter { _ in seed.chance(1, in: 2) }.map { address($0) }
            let next = Positions.order(of: wanted, after: order)
            #expect(next.sorted() == wanted)
            let moved = zip(order, next).count { $0 != $1 }
            let gone = order.filter { !wanted.contains($0) }.count
            #expect(moved <= gone, "\(text(order)) became \(text(next))")
            order = next
        }
    }

    @Test("an endpoint's own number is the same whoever stands beside it")
    func numbers() {
        let few = Positions.numbers(of: addresses("1 2"))
        let many = Positions.numbers(of: (0..<5000).map { SocketAddress(address($0).address, 1) } + addresses("1 2"))
        #expect(few.allSatisfy { many[$0.key] == $0.value })
        #expect(Set(many.values).count == 5002 && many.values.allSatisfy { $0 >= 1 << 31 })
    }

    private func address(_ number: Int) -> SocketAddress {
        SocketAddress(.v4(IPv4Address(rawValue: 0xC000_0200 + UInt32(number))), 80)
    }

    private func addresses(_ text: String) -> [SocketAddress] { text.split(separator: " ").compactMap { Int($0) }.map(address) }

    private func text(_ order: [SocketAddress]) -> String {
        order.map { "\($0.address.number - 0xC000_0200)" }.joined(separator: " ")
    }
}
