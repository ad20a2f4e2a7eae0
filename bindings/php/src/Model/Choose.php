<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * Several accounts came of one consent: the person picks one.
 */
final readonly class Choose implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** To be given back with the choice. */
        public string $choice,
        /** @var list<Candidate> What there is. */
        #[ListOf(Candidate::class)]
        public array $candidates,
    ) {
    }
}
