<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What is greyed out, and why.
 */
final readonly class Restriction implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The field. */
        public string $field,
        /** One choice of it; null: all of it. */
        public ?string $choice,
        /** Shown with it, in exactly these words. */
        public string $because,
    ) {
    }
}
