"""Expected failures of scikit-learn's tests, with reasons."""

from typing import NamedTuple


class Difference(NamedTuple):
    """A failure that is expected.

    kind : {"documented", "message", "private", "open"}
        A difference that the documentation tells of; other words of an error or a warning; a test
        of how scikit-learn is made; a fault of ours, which may pass.
    reason : str
    says : str
        What the failure says: a regular expression.
    of : str
        Which parameters of the test: a regular expression that is searched for in their names.
    """

    kind: str
    reason: str
    says: str
    of: str = ""


_SHARP = Difference(
    "documented",
    "fits end at the exact solution, where the gap is rounding",
    r"ACTUAL: array\((0\.|\d\S*e-1[5-9])\)|^assert 0 < np.float64\(0\.0\)",
)

_EVERY_SOLVER = Difference(
    "documented",
    "every name of a solver takes every penalty, any number of classes, and any indices and values",
    "DID NOT RAISE.*ValueError",
)

_SPARSE_INTERCEPT = Difference(
    "documented",
    "the intercept has the same step for sparse rows as for dense ones, not 0.01 of it",
    "not almost equal",
    of="^Sparse",
)

# by file and test
DIFFERENCES: dict[str, dict[str, tuple[Difference, ...]]] = {
    "test_base": {
        "test_raises_value_error_if_positive_and_sparse": (
            Difference(
                "documented",
                "LinearRegression(positive=True) takes sparse data",
                "DID NOT RAISE.*TypeError",
            ),
        ),
        "test_inplace_data_preprocessing": (
            Difference(
                "documented", "X is never overwritten", "^assert np.float64.0.0. > 0.42", "None$"
            ),
        ),
    },
    "test_ridge": {
        "test_ridge_regression_convergence_fail": (
            Difference(
                "documented",
                "tol=0 is reached where the residual is rounding",
                "DID NOT WARN.*ConvergenceWarning",
            ),
        ),
        "test_ridge_regression_check_arguments_validity": (
            Difference(
                "documented",
                "every solver of ridge_regression can return the intercept",
                "DID NOT RAISE.*ValueError",
                of="(sparse_cg|cholesky|lsqr|saga|lbfgs)-.*-True$",
            ),
        ),
        "test_ridge_regression": (
            Difference(
                "documented",
                "solver_ names the algorithm that ran, not the one that was asked for",
                r"^assert '(qr|cg)' == '(svd|sparse_cg|lsqr|saga?)'",
                of="svd|sparse_cg|lsqr|sag",
            ),
        ),
        "test_regularization_limits_ridge_gcv": (
            Difference(
                "documented",
                "gcv_mode has no effect, so that 'svd' on sparse data is no reason for a warning",
                "DID NOT WARN.*FutureWarning",
                of="^csr_.*-svd-",
            ),
        ),
        "test_ridge_gcv_cv_results_not_stored": (
            Difference(
                "documented",
                "cv_results_ is always there; store_cv_results adds what is kept of single rows",
                "assert not True",
            ),
        ),
        "test_ridge_cv_individual_penalties": (
            Difference(
                "documented",
                "alpha_per_target is possible with folds, too",
                "DID NOT RAISE.*ValueError",
            ),
        ),
        "test_ridgecv_alphas_zero": (
            Difference(
                "documented",
                "a penalty of 0 is allowed in leave-one-out",
                "DID NOT RAISE.*ValueError",
                of="None$",
            ),
        ),
        "test_ridgecv_alphas_validation": (
            Difference(
                "message",
                "a penalty of 0 is allowed in leave-one-out: the bound is >= 0",
                r"alphas\[\d\] == -[\d.]+, must be >= 0\.0",
                of="ValueError",
            ),
            Difference(
                "message",
                "what is no number is named otherwise",
                r"alphas holds .* at position 2; expected numbers",
                of="TypeError",
            ),
        ),
        "test_n_iter": (
            Difference(
                "documented",
                "solvers of scikit-learn's names run others here, with iterations of their own",
                "ACTUAL.*DESIRED",
            ),
        ),
        "test_ridge_fit_intercept_sparse_error": (
            Difference(
                "documented",
                "every solver fits an intercept to sparse data",
                "DID NOT RAISE.*ValueError",
            ),
        ),
        "test_ridge_fit_intercept_sparse_sag": (
            Difference(
                "documented",
                "every solver fits an intercept to sparse data, without a warning",
                "DID NOT WARN.*UserWarning",
            ),
        ),
        "test_lbfgs_solver_error": (
            Difference(
                "documented",
                "bounded fits are exact, and converge where L-BFGS does not",
                "DID NOT WARN.*ConvergenceWarning",
            ),
        ),
    },
    "test_coordinate_descent": {
        "test_enet_nonfinite_params": (
            Difference(
                "message",
                "data whose squares overflow are refused before the first iteration",
                "sums of squares that overflow float64; expected",
            ),
        ),
        "test_lassocv_alphas_validation": (
            Difference(
                "message",
                "what is no number is named otherwise",
                r"alphas holds .* at position 2; expected numbers",
                of="TypeError",
            ),
        ),
        "test_lasso_dual_gap": (_SHARP,),
        "test_multi_task_lasso_and_enet": (_SHARP,),
        "test_multi_task_lasso_readonly_data": (_SHARP,),
        "test_warm_start": (
            Difference(
                "documented",
                "5 and 5 epochs, which end elsewhere than 10 do: an epoch is other work",
                "not almost equal",
            ),
        ),
        "test_path_unknown_parameter": (
            Difference(
                "message",
                "an unknown argument is a TypeError, as Python's own",
                "got an unexpected keyword argument 'normalize'",
            ),
        ),
        "test_path_function_deprecated_n_alphas": (
            Difference(
                "documented",
                "n_alphas and alphas=None are no deprecated arguments",
                "DID NOT WARN.*FutureWarning",
            ),
        ),
        "test_lasso_alpha_warning": (
            Difference(
                "documented",
                "alpha=0 is solved as any other penalty, without a warning",
                "DID NOT WARN.*UserWarning",
            ),
        ),
        "test_check_input_false": (
            Difference(
                "documented",
                "check_input has no effect: data in any order give the right result",
                "DID NOT RAISE.*ValueError",
            ),
        ),
        "test_enet_copy_X_False_check_input_False": (
            Difference("documented", "X is never overwritten", "assert np.False_"),
        ),
        "test_enet_l1_ratio": (
            Difference(
                "documented",
                "l1_ratio=0 has an automatic grid",
                "DID NOT RAISE.*ValueError",
            ),
        ),
        "test_lassoCV_does_not_set_precompute": (
            Difference("private", "replaces the Lasso of scikit-learn's module", "^assert 0 > 0"),
        ),
        "test_cv_estimators_reject_params_with_no_routing_enabled": (
            Difference(
                "documented",
                "groups are an argument of fit, which needs no metadata routing",
                "groups has 2 groups; expected at least cv=5|y has shape",
            ),
        ),
    },
    "test_linear_loss": {
        "test_linear_loss_gradient_hessian_raises_wrong_out_parameters": (
            Difference(
                "private",
                "the adapter `linear_loss` checks no buffers of results",
                "Regex pattern did not match",
            ),
        ),
    },
    "test_glm": {
        "test_glm_wrong_y_range": (
            Difference("message", "says which values came", "y has values from -1 to 2; expected"),
        ),
        "test_linalg_warning_with_newton_solver": (
            Difference(
                "documented",
                "dependent columns are solved without a warning",
                "DID NOT WARN.*LinAlgWarning",
            ),
        ),
    },
    "test_logistic": {
        "test_check_solver_option": (_EVERY_SOLVER,),
        "test_liblinear_multiclass_raises": (_EVERY_SOLVER,),
        "test_large_sparse_matrix": (_EVERY_SOLVER._replace(of="liblinear|sag"),),
        "test_liblinear_with_large_values": (_EVERY_SOLVER,),
        "test_liblinear_dual_random_state": (
            Difference(
                "documented",
                "every solver is deterministic",
                "DID NOT RAISE.*AssertionError",
            ),
        ),
        "test_dtype_match": (
            Difference(
                "documented",
                "fits of float32 data are float32 by every solver's name",
                "float32.* == <class 'numpy.float64'>",
                of="liblinear",
            ),
        ),
        "test_inconsistent_input": (
            Difference("message", "says how many rows", "y has 4 rows, but X has 3"),
        ),
        "test_max_iter": (
            Difference("message", "says how exact the fit is", "the fit stopped after"),
        ),
        "test_newton_cholesky_fallback_to_lbfgs": (
            Difference("message", "says how exact the fit is", "the fit stopped after"),
        ),
        "test_zero_max_iter": (
            Difference(
                "documented",
                "a fit starts from the best intercept, not from 0",
                "Max absolute difference among violations: 0.1666",
                of="^(?!lbfgs)",
            ),
        ),
        "test_logistic_regression_cv_refit": (
            Difference(
                "documented",
                "fits end at the tolerance, wherever they start",
                r"Max relative difference among violations: \d\S*e-0[567]",
                of="^42-1$",
            ),
        ),
        "test_lr_cv_scores_differ_when_sample_weight_is_requested": (
            Difference(
                "documented",
                "weights are part of the scores without a request, too",
                "DID NOT RAISE.*TypeError",
            ),
        ),
        **dict.fromkeys(
            ("test_logreg_predict_proba_multinomial", "test_get_default_scorer"),
            (
                Difference(
                    "private",
                    "calls private methods",
                    "no attribute '_(predict_proba_lr|get_scorer)'",
                ),
            ),
        ),
        "test_logistic_cv_multinomial_score": (
            Difference("private", "calls a private function", "_log_reg_scoring_path"),
        ),
        **dict.fromkeys(
            (
                "test_logistic_regression_callback_fitted_estimator",
                "test_logistic_regression_callback_support",
                "test_logistic_regression_callback_support_warning",
            ),
            (
                Difference(
                    "documented",
                    "scikit-learn's callbacks of iterations are not taken",
                    "no attribute 'set_callbacks'|DID NOT WARN.*UserWarning",
                ),
            ),
        ),
    },
    "test_sgd": {
        "test_plain_has_no_average_attr": (
            Difference(
                "private",
                "looks at private attributes",
                "hasattr.*_average_coef",
                of="(sifier|ssor)$",
            ),
        ),
        "test_late_onset_averaging_not_reached": (
            Difference(
                "documented",
                "the mean of the default learning rate is over the decay between steps, too",
                r"Max absolute difference among violations: \d\S*e-0[89]",
                of="(sifier|ssor)$",
            ),
        ),
        **dict.fromkeys(
            (
                "test_late_onset_averaging_reached",
                "test_average_binary_computed_correctly",
                "test_sgd_multiclass_average",
                "test_sgd_averaged_computed_correctly",
                "test_sgd_averaged_partial_fit",
                "test_average_sparse",
            ),
            (_SPARSE_INTERCEPT,),
        ),
        "test_validation_set_not_used_for_training": (
            Difference(
                "documented",
                "early stopping keeps the weights of the epoch that scored best",
                "Arrays are not equal",
                of="Classifier",
            ),
        ),
        "test_sgd_proba": (
            Difference(
                "documented",
                "the intercept has the same step for sparse rows as for dense ones",
                r"array\(\[1\]\) == array\(\[0\]\)",
                of="Sparse",
            ),
        ),
        "test_partial_fit_equal_fit": (
            Difference(
                "documented",
                "fit steps back from rates at which losses explode, and halves them",
                r"Max absolute difference among violations: \d\S*e\+1\d",
                of="^optimal",
            ),
        ),
        "test_multi_thread_multi_class_and_early_stopping": (
            Difference(
                "documented",
                "the epoch of the best score goes by the order of the rows, which is another",
                r"assert 129 < \(100 \+ 20\)",
            ),
        ),
        "test_balanced_weight": (
            Difference(
                "documented",
                "the default learning rate ends elsewhere: one row of 150 is classified otherwise",
                r"0\.9599\S* > 0\.96",
            ),
        ),
        "test_sgd_random_state": (
            Difference(
                "documented",
                "weights of the default learning rate depend less on the order of rows",
                r"0\.\d+\) > 1\.0",
                of="SGDClassifier",
            ),
        ),
        "test_validation_mask_correctly_subsets": (
            Difference("private", "replaces a private class", "not subscriptable"),
        ),
    },
}
