<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Holds while the test is true of `field`.
 */
final readonly class Condition implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** A field's name, or `kind`, `media-count`, `media-types`. */
        public string $field,
        /** `is` (one of `values`), `is-not`, `filled`, `empty`, `contains`, `at-least`, `at-most`. A rule with another test does not apply. */
        public string $test,
        /** @var list<string> A switch is `true` or `false`; a field without a value is the empty text. */
        public array $values,
    ) {
    }
}
