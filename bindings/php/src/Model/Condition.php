<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Holds while `field` has one of `values`.
 */
final readonly class Condition implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** A field's name, or `kind`. */
        public string $field,
        /** @var list<string> A flag is `true` or `false`; a field without a value is the empty text. */
        public array $values,
    ) {
    }
}
