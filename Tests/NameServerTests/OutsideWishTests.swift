import DNS
import NameServer
import Testing

@Suite("what is asked outside")
struct OutsideWishTests {
    @Test("two who ask the same have one wish, whatever the case of the name; with signatures it is another")
    func sameness() throws {
        let name = try #require(DomainName("Example.org"))
        let same = try #require(DomainName("example.ORG"))
        #expect(OutsideWish(Question(name, .a)) == OutsideWish(Question(same, .a)))
        #expect(OutsideWish(Question(name, .a)) != OutsideWish(Question(name, .a), isDNSSECWanted: true))
        #expect(OutsideWish(Question(name, .a)) != OutsideWish(Question(name, .aaaa)))
    }
}
