//! Names of people and their birth dates.

use super::digits;
use super::name::folded;

/// Given names that are common where the languages of `name` are spoken. None of them is a place, a day or a brand.
const GIVEN: &str = "
    aaron adam adrian agnes alan albert alberto alejandra alejandro alessandra alessandro alessia alex alexander
    alexandra alfredo alice alicia amanda amelie amy ana andrea andreas andres andrew angela angelo ann anna anne annette
    antoine anton antonella antonio arnaud arthur barbara bart beatrice beatriz ben benjamin bernard bernd bo bob
    brian bruno camille carl carla carlo carlos carmen carol carolina caroline catherine cecile celine charles chiara
    chloe chris christian christine christoph christopher claire clara claudia claudio cristina daan daniel daniela
    daniele david davide deborah dennis diana diego dieter dirk dominique donald donna edward elena elisa elizabeth els
    emily emma emmanuel enrique eric erik esther eva fabian fabio federica federico felix femke fernando filippo florian
    francesca francesco francisco franck francois frank franz frederic gabriel gabriele george gerhard giovanni giulia
    giuseppe gonzalo guillaume gunter hannah hans heike heinz helen helena helmut henri henrik holger hugo ian ines ingrid
    irene isabel isabella isabelle ivan jack jacques jan jana jane javier jean jeanne jennifer jeroen jessica jesus joan
    joao johan johanna johannes john jonas jorge jose josef joseph joshua juan juergen julia julian julie julien jurgen
    karen karin karl kate katharina kathrin kevin klaus lars laura laurent leon lena leo linda lisa lorenzo louis louise
    luca lucas lucia lucie luigi luis luisa lukas manfred manon manuel marc marcel marco marcos margaret maria marianne marie
    marieke marina mario marion mark markus marta martin martina mary mathieu matteo matthew matthias max maximilian melanie
    michael michel michele miguel mike monica monika monique nadia nancy natalie nathalie nicola nicolas nicole nina noah
    olivia olivier oscar otto pablo paola paolo pascal patricia patrick paul paula pauline pedro peter petra philip philipp
    philippe pierre pieter pilar rachel rafael ralf raphael raul rebecca renate ricardo richard robert roberto roger roland
    ronald rosa ruben ruth sabine sabrina salvatore samuel sandra sanne sara sarah sebastian sebastien sergio silvia simon simone
    sofia sonia sophie stefan stefania stefano stephan stephanie stephen steve steven susan susanne sven sylvie
    tanja teresa theo thierry thijs thomas tim tobias tom ulrich ursula uwe valentina valerie vanessa vera veronica
    victor victoria vincent virginie walter werner willem william wolfgang wouter xavier yann yves";

/// Whether it begins with a given name, or has one after a comma: `Jane Doe`, `DOE, Jane`.
pub(super) fn is_name(text: &str) -> bool {
    let first = text.split_once(',').map_or(text, |(_, after)| after);
    let Some(word) = first.split([' ', '-', '.']).find(|word| !word.is_empty()) else { return false };
    let word = folded(word);
    could_be_name(text) && GIVEN.split_whitespace().any(|name| name == word)
}

/// Whether it could be a name where the column's says so: up to six words of letters.
pub(super) fn could_be_name(text: &str) -> bool {
    let text = text.trim();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 2
        && text.chars().count() <= 80
        && text.split_whitespace().count() <= 6
        && text.chars().all(|c| c.is_alphabetic() || " '’.,-".contains(c))
}

/// Whether it could be a birth date where the name says so: a day or a year since 1880, as it is usually written.
pub(super) fn could_be_birth(text: &str) -> bool {
    let text = text.trim();
    let day = text.split(['T', ' ']).next().unwrap_or(text);
    let is_year = |year: &u32| (1880..=2100).contains(year);
    let numbers = day.split(['-', '.', '/']).map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>();
    let is_day = |day: &u32, month: &u32| {
        (1..=31).contains(day) && (1..=31).contains(month) && (*day <= 12 || *month <= 12)
    };
    match numbers.as_deref() {
        Some([year]) if is_year(year) => true,
        Some([number]) => digits(day, &[]).is_some_and(|it| it.len() == 8) && is_year(&(number / 10_000)),
        Some([year, month, day]) if *year > 31 => is_year(year) && is_day(day, month),
        Some([day, month, year]) => (is_year(year) || *year < 100) && is_day(day, month),
        _ => false,
    }
}
